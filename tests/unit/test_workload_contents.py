"""What requests carry: images, recorded conversations, shared prefixes, holes for live answers."""

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from workload_sources import write_images, write_lines

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.config.workload_files import resolve_workload
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.draws import generator
from weighbridge.requests.holes import Holes
from weighbridge.requests.synthetic_text import SyntheticText
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store

Body = dict[str, Any]


def workload(**given: Any) -> Workload:
    return Workload.parse({"name": "w", "seed": 7, **given}, "test")


def built(given: Workload, out: Path, measured: int = 4, *, blocks: int = 1, **more: Any) -> WorkloadStore:
    counts = PhaseCounts(warmup=1, measured=measured, cooldown=1)
    slices = [SliceSpec(block, 1, LoadLevel(closed=4), counts) for block in range(1, blocks + 1)]
    build_workload_store(given, slices, out, **more)
    return WorkloadStore.open(out)


def bodies(store: WorkloadStore) -> list[Body]:
    return [json.loads(b'{"model":"m",' + bytes(store.body(index))) for index in range(len(store))]


def images(body: Body, message: int = 0) -> list[bytes]:
    content = body["messages"][message]["content"]
    urls = [] if isinstance(content, str) else [part["image_url"]["url"] for part in content[1:]]
    return [base64.b64decode(url.partition(",")[2]) for url in urls]


def folder(path: Path, **more: Any) -> dict[str, Any]:
    return {"images": {"kind": "folder", "path": str(path), "max_pixels": 100, **more}}


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    write_images(tmp_path / "images", 24)
    write_lines(tmp_path / "lines.jsonl", 24)
    text = {"kind": "internvl-jsonl", "path": str(tmp_path / "lines.jsonl")}
    return {"text": text} | folder(tmp_path / "images")


@pytest.mark.parametrize("turns", [1, 3])
def test_dashinfer_as_run(
    turns: int, tmp_path: Path, sources: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    over = {"turns": turns, "source": sources}
    given = resolve_workload("dashinfer-as-run", over)
    assert given.source.text.pairing == "independent"
    store = built(given, tmp_path / "store", 60)
    assert len(store) == turns * 62
    lengths = store.turns["target_tokens"]
    assert ((lengths >= 88) & (lengths <= 152)).all()
    assert len(set(lengths.tolist())) > 30
    assert store.turns["images"].tolist() == [3, *[0] * (turns - 1)] * 62
    for row, body in zip(store.turns, bodies(store), strict=True):
        assert len(images(body)) == 3
        assert [len(images(body, place)) for place in range(2, len(body["messages"]), 2)] == [0] * row["turn"]
        assert (body["temperature"], body["top_p"], body["frequency_penalty"]) == (0.1, 0.01, 1.05)
        assert (body["max_tokens"], body["ignore_eos"]) == (row["target_tokens"], True)
        assert body["messages"][0]["content"][0]["type"] == "text"
    taken = store.manifest.taken
    assert taken["images"].repeat_share == pytest.approx(1 - 24 / 186)
    assert taken["texts"].available == 72
    assert "87 % of its 186 images occurred before" in caplog.text


def test_prompts_grow_by_one_turn_a_turn(tmp_path: Path, sources: dict[str, Any]) -> None:
    def prompts(turns: int) -> list[float]:
        """Return the mean words of the prompt of each turn, with the answers as long as asked."""
        over = {"turns": turns, "history": "recorded", "source": {**sources, "text": {"kind": "synthetic"}}}
        store = built(resolve_workload("dashinfer-as-run", over), tmp_path / "s", 60)
        words = [
            sum(
                len((content if isinstance(content, str) else content[0]["text"]).split())
                for content in (message["content"] for message in body["messages"])
            )
            for body in bodies(store)
        ]
        return [float(np.mean(words[turn::turns])) for turn in range(turns)]

    alone, followed = prompts(1), prompts(3)
    assert followed[0] == alone[0] == 60
    growths = np.diff(followed)
    assert growths == pytest.approx([180, 180], abs=6)
    # The mean over all turns, which the published table gives, is that of one turn and one turn's growth.
    assert np.mean(followed) == pytest.approx(alone[0] + growths.mean(), abs=1)


def test_images_come_once_each_in_a_seeded_order(tmp_path: Path) -> None:
    contents = write_images(tmp_path / "images", 12)
    source = {"source": folder(tmp_path / "images"), "images_per_turn": 1}
    first = built(workload(**source), tmp_path / "a")
    shuffled = [images(body)[0] for body in bodies(first)]
    later = built(workload(**source), tmp_path / "b", skip=first.manifest.used)
    rest = [images(body)[0] for body in bodies(later)]
    assert sorted(shuffled + rest) == sorted(contents)
    assert shuffled + rest != contents
    assert bodies(first)[0]["messages"][0]["content"][0] != bodies(later)[0]["messages"][0]["content"][0]
    sorted_one = built(
        workload(source=folder(tmp_path / "images", order="sorted"), images_per_turn=1), tmp_path / "c"
    )
    assert [images(body)[0] for body in bodies(sorted_one)] == contents[:6]
    with pytest.raises(InputError, match=r"18 images are needed.* there are 12.*image_reuse: allowed"):
        built(workload(**source), tmp_path / "d", skip=later.manifest.used)
    assert not (tmp_path / "d").exists()


def test_images_are_reversed_where_asked(tmp_path: Path) -> None:
    contents = write_images(tmp_path / "images", 12)
    source = folder(tmp_path / "images", order="sorted")
    store = built(workload(source=source, images_per_turn={"first": 2, "order": "reverse"}), tmp_path / "a")
    assert images(bodies(store)[0]) == contents[1::-1]


def test_images_may_be_named_instead_of_sent(tmp_path: Path) -> None:
    write_images(tmp_path / "a b", 8)
    source = {"source": folder(tmp_path / "a b", order="sorted"), "images_per_turn": 1}
    by_path = built(workload(**source, image_transport="file"), tmp_path / "a")
    found = bodies(by_path)[1]["messages"][0]["content"][1]["image_url"]["url"]
    assert found == f"file://{str(tmp_path).replace(' ', '%20')}/a%20b/001.JPEG"
    http = built(workload(**source, image_transport="http", image_url="http://h:1/i/"), tmp_path / "b")
    found = bodies(http)[1]["messages"][0]["content"][1]["image_url"]["url"]
    assert found == "http://h:1/i/001.JPEG"
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / os.fsdecode(b"\xff.png")).write_bytes((tmp_path / "a b" / "001.JPEG").read_bytes())
    source = {"source": folder(odd), "images_per_turn": 1, "image_reuse": "allowed"}
    named = built(workload(**source, image_transport="http", image_url="http://h:1/i/"), tmp_path / "c")
    assert bodies(named)[0]["messages"][0]["content"][1]["image_url"]["url"] == "http://h:1/i/%FF.png"


def test_made_up_images_have_the_drawn_sizes(tmp_path: Path) -> None:
    source = {
        "images": {
            "kind": "synthetic",
            "pixels": {"uniform": [400, 4000]},
            "aspect": {"choice": [0.5, 2]},
        }
    }
    store = built(workload(source=source, images_per_turn=2), tmp_path / "a")
    found = [Image.open(io.BytesIO(content)) for body in bodies(store) for content in images(body)]
    assert len({image.tobytes() for image in found}) == len(found) == 12
    assert all(image.format == "JPEG" and 350 <= image.width * image.height <= 4000 for image in found)
    assert {round(2 * image.width / image.height) for image in found} <= {1, 4}
    for key, value, most in (("pixels", 1e12, "6.71089e\\+07"), ("aspect", 1e5, "100")):
        changed = {"images": source["images"] | {key: {"const": value}}}
        with pytest.raises(InputError, match=f"source.images.{key}' gave .*, and {most} is the most"):
            built(workload(source=changed, images_per_turn=2), tmp_path / "b")


def test_images_beyond_all_limits_are_left_out(tmp_path: Path) -> None:
    contents = write_images(tmp_path / "images", 6)
    for name, side in (("a.png", 10_000), ("b.png", 14_000)):  # Pillow warns of one, and refuses the other
        Image.new("1", (side, side)).save(tmp_path / "images" / name)
    store = built(workload(source=folder(tmp_path / "images"), images_per_turn=1), tmp_path / "a")
    assert sorted(images(body)[0] for body in bodies(store)) == sorted(contents)


def test_recorded_conversations_are_those_of_a_line(tmp_path: Path, sources: dict[str, Any]) -> None:
    store = built(workload(source=sources, turns=2, images_per_turn=1), tmp_path / "a", 22)
    contents = {path.name: path.read_bytes() for path in (tmp_path / "images").iterdir()}
    lines = set()
    for body in bodies(store):
        first = body["messages"][0]["content"]
        line = first[0]["text"].removeprefix("q").partition(".")[0]
        lines.add(line)
        assert first[0]["text"] == f"q{line}.0 ?"
        [name] = [name for name in contents if name.startswith(f"{int(line):03}")]
        assert images(body) == [contents[name]]
        said = [message["content"] for message in body["messages"][1:]]
        assert said in ([], [f"a{line}.0 é\n", f"q{line}.1 ?"])
    assert len(lines) == 24
    assert str(tmp_path / "lines.jsonl") in store.manifest.sources
    with pytest.raises(InputError, match=r"no line has 4 questions"):
        built(workload(source=sources, turns=4), tmp_path / "b")
    with pytest.raises(InputError, match=r"has one image.*pairing: independent"):
        built(workload(source=sources, images_per_turn=2), tmp_path / "b")
    with pytest.raises(InputError, match=r"'turns' has no upper bound"):
        built(workload(source=sources, turns={"exponential": {"mean": 2}}), tmp_path / "b")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 3 is no JSON"),
        ("[1]", "line 3 has no list 'conversations'"),
        ('{"conversations": [{"from": "human"}]}', "line 3 has no list 'conversations'"),
        (
            '{"conversations": [{"from": "gpt", "value": "a"}, {"from": "human", "value": "b"}]}',
            "line 3 does not alternate",
        ),
    ],
)
def test_a_wrong_line_is_named(line: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    write_lines(path, 2)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=why):
        built(workload(source={"text": {"kind": "internvl-jsonl", "path": str(path)}}), tmp_path / "a")


def test_conversations_share_prefixes(tmp_path: Path) -> None:
    shared = {"groups": 2, "tokens": 30, "share": 0.5}
    text = {"kind": "synthetic", "tokens": 10}
    given = workload(shared_prefix=shared, turns=2, source={"text": text}, output_tokens=5)
    store = built(given, tmp_path / "a", 58)
    prefixes = set()
    for row, body in zip(store.turns, bodies(store), strict=True):
        if row["prefix_share"] == 0:
            assert body["messages"][0]["role"] == "user"
            continue
        assert body["messages"][0]["role"] == "system"
        prefixes.add(body["messages"][0]["content"])
        assert row["prefix_share"] == pytest.approx(30 / 40 if row["turn"] == 0 else 30 / 55)
    assert len(prefixes) == 2
    share = np.mean(store.turns["prefix_share"] > 0)
    assert 0.3 < share < 0.7


def test_completions_have_a_prompt(tmp_path: Path) -> None:
    store = built(workload(api="completions", stream=False, force_length="both"), tmp_path / "a")
    body = bodies(store)[0]
    assert len(body["prompt"].split()) == 60
    assert body["min_tokens"] == body["max_tokens"] == 120
    assert body["stream"] is False
    assert "messages" not in body


@pytest.fixture(scope="module", params=[{}, {"shared_prefix": {"tokens": 3}}], ids=["", "prefixed"])
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WorkloadStore:
    path = tmp_path_factory.mktemp("live")
    return built(workload(turns=3, history="live", **request.param), path / "a", 2)


@given(answers=st.lists(st.text(max_size=9), min_size=3, max_size=3))
def test_answers_go_into_the_holes(live: WorkloadStore, answers: list[str]) -> None:
    assert live.sent_as("m").holes
    holes = Holes(live.path)
    assert len(holes) == 4 * 3
    for row in live.turns:
        body, found = bytes(live.body(row["request"])), list(holes.of(row["request"]))
        assert [hole.answered for hole in found] == [
            row["request"] - row["turn"] + earlier for earlier in range(row["turn"])
        ]
        for hole, answer in reversed(list(zip(found, answers, strict=False))):
            body = body[: hole.position] + json.dumps(answer).encode()[1:-1] + body[hole.position :]
        messages = json.loads(b"{" + body)["messages"]
        said = [message["content"] for message in messages if message["role"] == "assistant"]
        assert said == answers[: row["turn"]]


def test_tokens_are_counted_by_a_tokenizer(root: Path, tmp_path: Path) -> None:
    files = root.glob("src/weighbridge/benchmarks/*/demo/model/tokenizer.json")
    for model in [path.parent for path in files]:
        check_counts(model, tmp_path)
    with pytest.raises(InputError, match=r"has none"):
        SyntheticText(tmp_path)


def check_counts(model: Path, tmp_path: Path) -> None:
    texts = SyntheticText(model)
    lengths = [5, 60, 200]
    made = [texts.make(generator(1, "x"), length) for length in lengths]
    assert texts.count(made) == lengths
    store = built(workload(), tmp_path / "a", model=model)
    assert store.manifest.token_counts == str(model / "tokenizer.json")
    assert texts.count([bodies(store)[0]["messages"][0]["content"]]) == [60]
