"""The request store: it contains the bytes that the reference's client sends, and is written atomically."""

import hashlib
import io
import json
import threading
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Image as DatasetsImage
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from openai.types import ResponseFormatJSONSchema
from PIL import Image

from weighbridge.benchmarks.qwen3_vl.scoring import ProductAnswer
from weighbridge.benchmarks.qwen3_vl.task import ProductCatalogue, Prompt
from weighbridge.config.request_settings import RequestSettings, Sampling
from weighbridge.core.errors import InputError
from weighbridge.core.images import image_url
from weighbridge.core.openai_api import AnswerKind
from weighbridge.records.store_manifest import StoreManifest, StoreOrigin
from weighbridge.requests.encoding import envelope
from weighbridge.requests.store import RequestStore, build_store, write_store
from weighbridge.requests.store_check import StoreCheck, checking

# Keys in another order than the alphabet's: what is sent keeps the order of the prompt.
SCHEMA = {
    "type": "object",
    "properties": {"category": {"title": "Ä", "type": "string"}, "brand": {"type": "string"}},
    "additionalProperties": False,
}
PROMPT = {"system": "Answer ü.", "user": "Title @TITLE@, text @DESC@, candidates @CATS@"}


def image(form: str, *, turned: bool = False) -> bytes:
    image = Image.effect_noise((40, 30), 80).convert("RGB")
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, format=form, exif=exif, **({"quality": 95} if form == "JPEG" else {}))
    return buffer.getvalue()


def row(number: int) -> dict[str, Any]:
    return {
        "product_title": f"Schuh {number} 🥾",
        "product_description": '"quoted"\n\u2028 and \x00',
        "product_image": {"bytes": image("JPEG" if number % 2 else "PNG"), "path": None},
        "potential_product_categories": ["A > B", "it's"],
        "ground_truth_category": "A > B",
        "ground_truth_brand": "x",
        "ground_truth_is_secondhand": False,
    }


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset" / "data"
    folder.mkdir(parents=True)
    rows = [row(number) for number in range(150)]
    for name, part in (("train-00000-of-00002", rows[:70]), ("train-00001-of-00002", rows[70:100])):
        pq.write_table(pa.Table.from_pylist(part), folder / f"{name}.parquet", row_group_size=40)
    pq.write_table(pa.Table.from_pylist(rows[100:]), folder / "test-00000-of-00001.parquet")
    return tmp_path / "dataset"


def build(dataset: Path, out: Path, **changes: Any) -> StoreManifest:
    prompt = dataset.parent / "prompt.json"
    prompt.write_text(json.dumps(PROMPT))
    arguments: dict[str, Any] = {
        "dataset": dataset,
        "splits": ("train", "test"),
        "prompt": prompt,
        "benchmark": "qwen3-vl-235b-a22b",
        "model_name": "tiny",
        "settings": RequestSettings(),
        "expected_samples": 150,
        "out": out,
        "processes": 2,
    }
    return build_store(**(arguments | changes))


def sent_by_openai(settings: RequestSettings, messages: list[dict[str, Any]]) -> bytes:
    sent = []

    def take(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.content)
        return httpx2.Response(500)

    sampling = settings.sampling
    more: dict[str, Any] = {} if sampling.max_tokens is None else {"max_tokens": sampling.max_tokens}
    if settings.stream:
        more |= {"stream": True, "stream_options": {"include_usage": True}}
    with httpx2.Client(transport=httpx2.MockTransport(take)) as http:
        client = OpenAI(api_key="x", base_url="http://x/v1", http_client=http, max_retries=0)
        with pytest.raises(Exception, match="500"):
            client.chat.completions.create(
                model="tïny",
                messages=messages,  # type: ignore[arg-type]
                frequency_penalty=sampling.frequency_penalty,
                presence_penalty=sampling.presence_penalty,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                response_format=_response_format() if settings.guided_decoding else None,  # type: ignore[arg-type]
                **more,
            )
    return sent[0]


def _response_format() -> Any:
    """Return what the reference passes to its client: its sample's field, dumped as JSON with aliases."""
    stated = {"name": "product_metadata", "schema": SCHEMA, "strict": True}
    wanted = ResponseFormatJSONSchema.model_validate({"type": "json_schema", "json_schema": stated})
    return wanted.model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    "settings",
    [
        RequestSettings(),
        RequestSettings(guided_decoding=True),
        RequestSettings(guided_decoding=True, stream=True, sampling=Sampling(max_tokens=150)),
        RequestSettings(stream=True),
        RequestSettings(sampling=Sampling(temperature=0.5, top_p=1, max_tokens=150)),
        RequestSettings(stream=True, sampling=Sampling(presence_penalty=0)),
    ],
)
def test_a_body_is_what_the_openai_client_sends(settings: RequestSettings) -> None:
    messages = load_messages(row(1))
    prefix, suffix = envelope(ProductCatalogue(_prompt()), "tïny", settings)
    ours = prefix + json.dumps(messages, ensure_ascii=False, separators=(",", ":")) + suffix
    assert ours.encode() == sent_by_openai(settings, messages)


def load_messages(sample: dict[str, Any]) -> list[dict[str, Any]]:
    return ProductCatalogue(_prompt()).prompt_of(sample, RequestSettings())


def _prompt() -> Any:
    return Prompt(
        **{**PROMPT, "system": f"Answer ü, {{}} or {{x}}: ```json\n{json.dumps(SCHEMA, indent=2)}\n```"}
    )


def test_guided_decoding_is_the_same_in_every_request_and_stands_in_the_manifest(
    dataset: Path, tmp_path: Path
) -> None:
    prompt = tmp_path / "with-schema.json"
    prompt.write_text(_prompt().model_dump_json())
    settings = RequestSettings(guided_decoding=True)
    manifest = build(dataset, tmp_path / "store", prompt=prompt, settings=settings)
    assert manifest.settings.guided_decoding
    assert json.loads("{" + manifest.suffix[1:])["response_format"] == _response_format()
    store = RequestStore.open(tmp_path / "store")
    assert all(bytes(store.body(number)).endswith(manifest.suffix.encode()) for number in range(150))
    plain = build(dataset, tmp_path / "plain", prompt=prompt)
    assert plain.prefix == manifest.prefix
    assert '"response_format":null' in plain.suffix


@pytest.mark.parametrize(
    ("system", "said"), [("Answer.", "no JSON schema of"), ("%s and %s", "2 JSON schemas of")]
)
def test_guided_decoding_needs_the_schema_in_the_prompt(
    system: str, said: str, dataset: Path, tmp_path: Path
) -> None:
    prompt = tmp_path / "other.json"
    text = system.replace("%s", json.dumps(SCHEMA))
    prompt.write_text(json.dumps({**PROMPT, "system": text}))
    with pytest.raises(InputError, match=said):
        build(dataset, tmp_path / "store", prompt=prompt, settings=RequestSettings(guided_decoding=True))
    assert not (tmp_path / "store").exists()


def test_the_demos_prompt_states_its_schema() -> None:
    prompt = Prompt.read(Path(__file__).parents[2] / "demo" / "prompt.json")
    assert [*prompt.answer_schema()["properties"]] == [*ProductAnswer.model_fields]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_image_is_reencoded_as_the_reference_does(form: str) -> None:
    original = image(form)
    decoded = DatasetsImage().decode_example({"bytes": original, "path": None})
    buffer = io.BytesIO()
    decoded.save(buffer, format=decoded.format)
    head, _, content = image_url(original, "reencode").partition(",")
    assert head == f"data:image/{form};base64"
    assert _decoded(content) == buffer.getvalue()


def test_a_rotated_image_is_turned_upright() -> None:
    url = image_url(image("JPEG", turned=True), "reencode")
    with Image.open(io.BytesIO(_decoded(url.partition(",")[2]))) as upright:
        assert upright.size == (30, 40)


def test_the_original_can_be_passed_through() -> None:
    original = image("JPEG")
    assert _decoded(image_url(original, "original").partition(",")[2]) == original


def _decoded(content: str) -> bytes:
    import base64

    return base64.b64decode(content, validate=True)


def test_a_store_holds_every_sample_in_the_order_of_the_splits(dataset: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    manifest = build(dataset, tmp_path / "store", progress=lambda done, total: seen.append((done, total)))
    store = RequestStore.open(tmp_path / "store")
    assert len(store) == manifest.count == 150
    for number in range(150):
        body = json.loads(bytes(store.body(number)))
        assert body["model"] == "tiny"
        assert f"Title Schuh {number} 🥾, " in body["messages"][1]["content"][0]["text"]
        form = "JPEG" if number % 2 else "PNG"
        assert body["messages"][1]["content"][1]["image_url"]["url"].startswith(f"data:image/{form};base64,")
    assert int(store.sizes().sum()) == manifest.bodies_bytes
    proven(tmp_path / "store")
    assert seen[-1] == (150, 150)
    assert set(manifest.dataset) == {
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/test-00000-of-00001.parquet",
    }
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_store_does_not_depend_on_the_number_of_processes(dataset: Path, tmp_path: Path) -> None:
    one = build(dataset, tmp_path / "one", processes=1)
    assert one == build(dataset, tmp_path / "three", processes=3)


def test_another_number_of_samples_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="150 samples in the splits train, test, but the round has 151"):
        build(dataset, tmp_path / "store", expected_samples=151)


def test_an_undecodable_image_names_its_sample(dataset: Path, tmp_path: Path) -> None:
    rows = [row(number) for number in range(50)]
    rows[7]["product_image"]["bytes"] = b"GIF89a"
    pq.write_table(pa.Table.from_pylist(rows), dataset / "data" / "test-00000-of-00001.parquet")
    with pytest.raises(InputError, match="sample 107: an image cannot be decoded"):
        build(dataset, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def tiny_store(out: Path, bodies: list[bytes]) -> None:
    write_store(out, bodies, lambda: StoreOrigin(benchmark="t", model_name="m", prefix="", suffix=""))


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=30))
def test_bodies_are_read_as_they_were_written(bodies: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        tiny_store(Path(folder) / "store", bodies)
        store = RequestStore.open(Path(folder) / "store")
        assert [bytes(store.body(number)) for number in range(len(store))] == bodies


def test_a_new_store_replaces_the_old_one(tmp_path: Path) -> None:
    tiny_store(tmp_path / "store", [b"old"])
    tiny_store(tmp_path / "store", [b"new", b"er"])
    assert bytes(RequestStore.open(tmp_path / "store").body(1)) == b"er"


def test_an_interrupted_build_keeps_the_old_store(tmp_path: Path) -> None:
    def broken() -> Any:
        yield b"new"
        raise KeyboardInterrupt

    tiny_store(tmp_path / "store", [b"old"])
    with pytest.raises(KeyboardInterrupt):
        tiny_store(tmp_path / "store", broken())
    assert bytes(RequestStore.open(tmp_path / "store").body(0)) == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("bodies.bin", b"short", "does not match the bodies"),
        ("bodies.bin", None, "cannot be mapped"),
        ("bodies.bin", b"", "cannot be mapped"),
        ("index.bin", b"", "cannot be mapped"),
        ("index.bin", None, "cannot be mapped"),
        ("index.bin", b"x" * 21, "not the offsets"),
        ("index.bin", bytes(24), "does not match the bodies"),
        ("manifest.json", None, "no request store"),
        ("manifest.json", b"{}", "is missing"),
    ],
)
def test_a_damaged_store_is_refused(file: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    tiny_store(tmp_path / "store", [b"one body", b"another"])
    if content is None:
        (tmp_path / "store" / file).unlink()
    else:
        (tmp_path / "store" / file).write_bytes(content)
    with pytest.raises(InputError, match=said):
        RequestStore.open(tmp_path / "store")


def store_of_format_1(folder: Path, offsets: object) -> Path:
    """Write a store as releases before index.bin did."""
    tiny_store(folder, [b"one body", b"another"])
    (folder / "index.bin").unlink()
    np.save(folder / "index.npy", np.array(offsets))
    manifest = folder / "manifest.json"
    plain = json.loads(manifest.read_text())
    del plain["benchmark"], plain["api"]
    manifest.write_text(json.dumps(plain | {"format": 1, "task": "product-catalogue"}))
    return folder


def test_a_store_of_format_1_is_converted_once(tmp_path: Path) -> None:
    folder = store_of_format_1(tmp_path / "store", [0, 8, 15])
    assert [bytes(RequestStore.open(folder).body(number)) for number in range(2)] == [b"one body", b"another"]
    assert RequestStore.open(folder).manifest.benchmark == "qwen3-vl-235b-a22b"
    (folder / "index.npy").unlink()
    assert bytes(RequestStore.open(folder).body(1)) == b"another"


@pytest.mark.parametrize("offsets", [[0.0, 8.0, 15.0], None])
def test_a_store_of_format_1_with_a_wrong_index_is_refused(tmp_path: Path, offsets: object) -> None:
    folder = store_of_format_1(tmp_path / "store", offsets or [0])
    if offsets is None:
        (folder / "index.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(InputError, match=r"of an older release, whose index\.npy cannot be converted"):
        RequestStore.open(folder)
    assert not (folder / "index.bin").exists()


def test_a_manifest_of_another_count_is_refused(tmp_path: Path) -> None:
    tiny_store(tmp_path / "store", [b"one body"])
    path = tmp_path / "store" / "manifest.json"
    path.write_text(path.read_text().replace('"count": 1', '"count": 2'))
    with pytest.raises(InputError, match="its manifest names 2"):
        RequestStore.open(tmp_path / "store")


def proven(folder: Path) -> StoreCheck:
    """Check a store to the end, as before a run."""
    with checking(RequestStore.open(folder)) as check:
        check.finish()
    return check


def enveloped_store(out: Path, count: int = 4) -> Path:
    """Write a store of bodies of different lengths, all between a prefix and a suffix."""
    prefix, suffix = '{"model":"m","messages":', ',"seed":1}'
    bodies = (f'{prefix}"{"x" * number}"{suffix}'.encode() for number in range(count))
    write_store(out, bodies, lambda: StoreOrigin(benchmark="t", model_name="m", prefix=prefix, suffix=suffix))
    return out


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    tiny_store(tmp_path / "store", [b"one body"])
    (tmp_path / "store" / "bodies.bin").write_bytes(b"one bodx")
    with pytest.raises(InputError, match="changed since it was built"):
        proven(tmp_path / "store")


@given(st.data())
def test_every_other_index_is_noticed(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = enveloped_store(Path(folder) / "store")
        index = store / "index.bin"
        offsets = np.frombuffer(index.read_bytes(), dtype="<i8").copy()
        at = data.draw(st.integers(1, len(offsets) - 2))
        wrong = data.draw(st.integers(-5, int(offsets[-1]) + 5).filter(lambda value: value != offsets[at]))
        offsets[at] = wrong
        index.write_bytes(offsets.tobytes())
        with pytest.raises(InputError, match=r"index\.bin: (its offsets do not rise|request \d does not)"):
            proven(store)


def test_a_store_of_format_1_has_its_index_proven_too(tmp_path: Path) -> None:
    store = enveloped_store(tmp_path / "store")
    manifest, index = store / "manifest.json", store / "index.bin"
    offsets = np.frombuffer(index.read_bytes(), dtype="<i8").copy()
    offsets[2] += 1
    np.save(store / "index.npy", offsets)
    index.unlink()
    plain = json.loads(manifest.read_text())
    del plain["benchmark"], plain["api"]
    manifest.write_text(json.dumps(plain | {"format": 1, "task": "product-catalogue"}))
    with pytest.raises(InputError, match="request 1 does not begin and end as the manifest says"):
        proven(store)


def test_what_was_sent_is_hashed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = enveloped_store(tmp_path / "store")
    check, content = proven(store), (store / "bodies.bin").read_bytes()
    assert check.sent_sha256() == hashlib.sha256(content).hexdigest()
    assert not [entry for entry in caplog.records if entry.levelname == "ERROR"]
    with (store / "bodies.bin").open("r+b") as stream:
        stream.write(b"[")
    assert check.sent_sha256() == hashlib.sha256(b"[" + content[1:]).hexdigest()
    assert "changed during the run" in caplog.text


@pytest.mark.parametrize("file", ["bodies.bin", "index.bin"])
def test_files_that_were_replaced_during_a_run_are_not_taken_for_those_that_were_sent(
    file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = enveloped_store(tmp_path / "store")
    check, content = proven(store), (store / file).read_bytes()
    (tmp_path / "other").write_bytes(content)
    (tmp_path / "other").replace(store / file)
    assert check.sent_sha256() == "replaced during the run"
    assert "changed during the run" in caplog.text
    (store / file).unlink()
    assert check.sent_sha256() == "unreadable after the run (No such file or directory)"


def test_a_check_that_is_given_up_leaves_no_thread(tmp_path: Path) -> None:
    with checking(RequestStore.open(enveloped_store(tmp_path / "store"))):
        pass
    assert "store check" not in {thread.name for thread in threading.enumerate()}


def test_the_messages_stand_between_prefix_and_suffix(dataset: Path, tmp_path: Path) -> None:
    manifest = build(dataset, tmp_path / "store")
    body = bytes(RequestStore.open(tmp_path / "store").body(3)).decode()
    assert body.startswith(manifest.prefix)
    assert body.endswith(manifest.suffix)
    messages = json.loads(body[len(manifest.prefix) : -len(manifest.suffix)])
    assert [message["role"] for message in messages] == ["system", "user"]


def test_a_manifest_has_later_fields_only_where_they_are_set() -> None:
    # The keys of release 0.1.0: runs are compared with the file's content, and a store may be built anew.
    keys = {"dataset", "prompt_sha256", "benchmark", "api", "model_name", "settings", "pillow", "prefix"}
    keys |= {"suffix", "format", "count", "bodies_bytes", "bodies_sha256"}
    sampling = {"temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens"}
    manifest = StoreManifest(
        benchmark="b", model_name="m", prefix="", suffix="", count=1, bodies_bytes=1, bodies_sha256=""
    )
    written = json.loads(manifest.text())
    assert {*written} == keys
    assert {*written["settings"]["sampling"]} == sampling
    settings = RequestSettings(sampling=Sampling(top_k=1, seed=0))
    later = manifest.model_copy(
        update={"settings": settings, "streamed": ("", ""), "answers": AnswerKind.TOKENS}
    )
    written = json.loads(later.text())
    assert {*written} == keys | {"streamed", "answers"}
    assert {*written["settings"]["sampling"]} == sampling | {"top_k", "seed"}
    assert StoreManifest.parse_json(later.text(), "manifest") == later
