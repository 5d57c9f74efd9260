"""llama3.1-8b: the instruction from the reference, both forms of the dataset, and requests of token ids."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from weighbridge.artifacts.folder import ArtifactKind, check_contents
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import describe
from weighbridge.benchmarks.llama3_1_8b.dataset import drawn, find_samples
from weighbridge.benchmarks.llama3_1_8b.prompt import extract
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round_settings import requests_of_round
from weighbridge.core.errors import InputError, SetupError
from weighbridge.requests.store import RequestStore, build_store
from weighbridge.requests.token_counts import check_lengths

BENCHMARK = load_benchmark("llama3.1-8b")
ROUND = load_round("llama3.1-8b/v6.0@datacenter")
SETTINGS = requests_of_round(RequestSettings(), ROUND)
INSTRUCTION = "Sum up:\n{input}\n\nIn short:"
ARTICLES = 300
# Blanks around, braces, the placeholder itself, other alphabets: an article is put in as it is.
STRANGE = ("  A {input} and {x} . \n", "Über {0} 🥾", "\ttab")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model, a prompt file, and the same articles in both forms."""
    folder = tmp_path_factory.mktemp("llama")
    BENCHMARK.synthesise(ArtifactKind.MODEL, 1, folder / "model")
    BENCHMARK.synthesise(ArtifactKind.DATASET, ARTICLES, folder / "synthetic")
    (folder / "prompt.json").write_text(json.dumps({"instruction": INSTRUCTION}))
    [file] = (folder / "synthetic").rglob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    for row, strange in zip(rows, STRANGE, strict=False):
        row["article"] = strange
    (folder / "hub" / "3.0.0").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "hub" / "3.0.0" / "validation-00000-of-00001.parquet")
    tokenizer = Tokenizer.from_file(str(folder / "model" / "tokenizer.json"))
    official = [
        {
            "instruction": {"llama": INSTRUCTION},
            "input": row["article"],
            "tok_input": tokenizer.encode(INSTRUCTION.replace("{input}", row["article"], 1)).ids,
            "output": row["highlights"],
        }
        for row in rows
    ]
    (folder / "official").mkdir()
    (folder / "official" / "cnn_eval.json").write_text(json.dumps(official, indent=4, ensure_ascii=False))
    return folder


def built(made: Path, form: str, out: Path, **changes: Any) -> RequestStore:
    arguments: dict[str, Any] = {
        "dataset": made / form,
        "splits": ("cnn_eval",),
        "prompt": made / "prompt.json",
        "model": made / "model",
        "streamed": True,
        "benchmark": "llama3.1-8b",
        "model_name": "served",
        "settings": SETTINGS,
        "expected_samples": ARTICLES,
        "out": out,
        "processes": 1,
    }
    build_store(**(arguments | changes))
    return RequestStore.open(out)


def test_both_forms_of_the_dataset_make_the_same_requests(made: Path, tmp_path: Path) -> None:
    official, hub = (built(made, form, tmp_path / form) for form in ("official", "hub"))
    assert official.manifest.bodies_sha256 == hub.manifest.bodies_sha256
    body = msgspec.json.decode(hub.body(0))
    tokenizer = Tokenizer.from_file(str(made / "model" / "tokenizer.json"))
    assert body.pop("prompt") == tokenizer.encode(f"Sum up:\n{STRANGE[0]}\n\nIn short:").ids
    assert body == {
        "model": "served",
        "temperature": 0,
        "top_p": 1,
        "top_k": 1,
        "seed": 42,
        "max_tokens": 128,
        "min_tokens": 1,
        "return_token_ids": True,
    }
    prefix, suffix = hub.manifest.streamed or ("", "")
    streamed = json.loads(f"{prefix}0{suffix}")
    assert streamed == body | {"prompt": 0, "stream": True, "stream_options": {"include_usage": True}}
    assert {*hub.manifest.dataset} == {"3.0.0/validation-00000-of-00001.parquet"}
    assert hub.manifest.answers == "tokens"


def test_prompts_begin_as_the_model_wants_it(made: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    text = json.loads((made / "model" / "tokenizer.json").read_text())
    text["post_processor"] = None
    (model / "tokenizer.json").write_text(json.dumps(text))
    (model / "config.json").write_bytes((made / "model" / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"begins a prompt with .* as bos_token_id"):
        built(made, "hub", tmp_path / "store", model=model)


def test_the_prompts_of_articles_need_a_tokenizer_and_an_instruction(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pass the model's proof"):
        built(made, "hub", tmp_path / "store", model=None)
    with pytest.raises(InputError, match="need an instruction"):
        built(made, "hub", tmp_path / "store", prompt=None)
    assert len(built(made, "official", tmp_path / "store", model=None, prompt=None)) == ARTICLES


def changed_official(made: Path, folder: Path, change: Any) -> Path:
    rows = json.loads((made / "official" / "cnn_eval.json").read_text())
    for row in rows:
        change(row)
    folder.mkdir()
    (folder / "cnn_eval.json").write_text(json.dumps(rows))
    return folder


def test_ids_of_another_instruction_are_told_and_sent(
    made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def without_the_last(row: dict[str, Any]) -> None:
        row["tok_input"] = row["tok_input"][:-1]

    dataset = changed_official(made, tmp_path / "dataset", without_the_last)
    with caplog.at_level(logging.WARNING):
        store = built(made, "official", tmp_path / "store", dataset=dataset)
    assert "the ids of 64 of 64 compared prompts, such as sample 0, are not what" in caplog.text
    expected = json.loads((dataset / "cnn_eval.json").read_text())[7]["tok_input"]
    assert msgspec.json.decode(store.body(7))["prompt"] == expected


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda ids: [ids[0], *(each + 1 for each in ids[1:] if each < 800)],
            "its tok_input is not of its article",
        ),
        (lambda ids: [*ids, 5000], "5000, which is not in the model's vocabulary"),
        (lambda ids: ids[1:], "does not begin with the model's 0"),
        (lambda ids: ids[:0], "holds no token ids"),
        (lambda ids: [*ids, -1], "holds no token ids"),
        (lambda ids: [str(each) for each in ids], "holds no token ids"),
    ],
)
def test_ids_that_are_not_the_models_are_refused(
    made: Path, tmp_path: Path, change: Any, complaint: str
) -> None:
    def changed(row: dict[str, Any]) -> None:
        row["tok_input"] = change(row["tok_input"])

    dataset = changed_official(made, tmp_path / "dataset", changed)
    with pytest.raises(InputError, match=rf"sample 0\b.*{complaint}"):
        built(made, "official", tmp_path / "store", dataset=dataset)


def test_the_edge_has_the_articles_that_the_references_script_draws(tmp_path: Path) -> None:
    listed = ",".join(map(str, drawn(13368, 5000)))
    assert listed.startswith("1517,10554,910,12519,158,")
    assert (
        hashlib.sha256(listed.encode()).hexdigest()
        == "c044b98965d794575bb172a53b583d37eef3454164d5359a5fc34e8a7cd90fe4"
    )
    numbers = [str(number) for number in range(13368)]
    table = pa.table({"article": numbers, "highlights": numbers})
    pq.write_table(table, tmp_path / "validation.parquet")
    samples = find_samples(tmp_path, ["sample_cnn_eval_5000"])
    assert samples.frame(["summary"])["summary"].to_list() == [str(number) for number in drawn(13368, 5000)]
    assert find_samples(tmp_path, ["cnn_eval"]).frame(["summary"])["summary"].to_list() == numbers
    pq.write_table(table.slice(1), tmp_path / "validation.parquet")
    with pytest.raises(InputError, match="has 13367 articles, but 5000 are drawn from its 13368"):
        find_samples(tmp_path, ["sample_cnn_eval_5000"])
    with pytest.raises(InputError, match="nor the hub's validation split"):
        find_samples(tmp_path / "data", ["cnn_eval"])


def test_an_own_split_has_the_form_of_its_file(made: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_bytes((made / "official" / "cnn_eval.json").read_bytes())
    assert "tokens" not in find_samples(tmp_path, ["mine"]).lacks
    pq.write_table(pa.table({"article": ["a"], "highlights": ["b"]}), tmp_path / "more.parquet")
    assert "tokens" in find_samples(tmp_path, ["more"]).lacks
    with pytest.raises(InputError, match="partly Parquet and partly JSON"):
        find_samples(tmp_path, ["mine", "more"])


def test_prompts_that_are_too_long_are_refused_before_a_run(made: Path, tmp_path: Path) -> None:
    store = built(made, "official", tmp_path / "store").path
    found = check_lengths(store, made / "model", 4096, "--max-model-len")
    assert found is not None
    longest = found.longest[0].tokens
    fits = check_lengths(store, made / "model", longest + 128, "--max-model-len")
    assert fits is not None
    with pytest.raises(InputError, match=f"set --max-model-len={longest + 128} or more"):
        check_lengths(store, made / "model", longest + 127, "--max-model-len")


def test_every_sampling_parameter_must_be_known() -> None:
    task = BENCHMARK.task(None)
    for name in ("temperature", "top_p", "top_k", "seed", "max_tokens", "min_tokens"):
        sampling = SETTINGS.sampling.model_copy(update={name: None})
        with pytest.raises(InputError, match=rf"requests\.sampling\.{name} is not set"):
            task.envelope("m", SETTINGS.model_copy(update={"sampling": sampling}))
    sampling = SETTINGS.sampling.model_copy(update={"presence_penalty": 1.0})
    assert task.envelope("m", SETTINGS.model_copy(update={"sampling": sampling}))[1]["presence_penalty"] == 1


def test_the_truth_is_the_same_in_both_forms(made: Path) -> None:
    task = BENCHMARK.task(None)
    official, hub = (task.truth(made / form, ["cnn_eval"]) for form in ("official", "hub"))
    assert official.equals(hub)
    assert official["article_characters"][0] == len(STRANGE[0])
    row = task.samples(made / "official", ["cnn_eval"]).rows(task.described_by, [2])[2]
    assert task.describe(row).title == "tab"


def test_an_article_without_a_summary_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"article": ["a", "b"], "highlights": ["c", None]}), tmp_path / "own.parquet")
    with pytest.raises(InputError, match="sample 1 has no summary"):
        BENCHMARK.task(None).truth(tmp_path, ["own"])


def test_made_up_artifacts_are_the_same_each_time(made: Path, tmp_path: Path) -> None:
    BENCHMARK.synthesise(ArtifactKind.DATASET, ARTICLES, tmp_path / "synthetic")
    BENCHMARK.synthesise(ArtifactKind.MODEL, 1, tmp_path / "model")
    for name, kind in (("synthetic", ArtifactKind.DATASET), ("model", ArtifactKind.MODEL)):
        check_contents(kind, tmp_path / name)
        assert describe(tmp_path / name, full=True).files == describe(made / name, full=True).files
    with pytest.raises(InputError, match="cannot be synthetic"):
        BENCHMARK.synthesise(ArtifactKind.REFERENCE, 1, tmp_path / "reference")
    task = BENCHMARK.task(None, made / "model")
    truth = task.truth(made / "synthetic", ["validation"])
    right = [right for right, _ in task.sample_answers(truth)]
    lengths = [len(each) // 4 for each in task.encoded(right)]
    assert max(lengths) <= 128
    characters = np.mean([len(text) for text in task.texts(list(enumerate(task.encoded(right))))])
    assert characters == pytest.approx(8167644 / 13368, rel=0.05)


SOURCE = """
import anything
instruction_template = {
    "other": "no",
    "llama": ("Sum up:\\n{input}"
              "\\n\\nIn short:")
}
open("never run")
"""


def test_the_instruction_is_read_without_running_the_script() -> None:
    assert extract(SOURCE).instruction == INSTRUCTION


@pytest.mark.parametrize(
    ("old", "new"),
    [("instruction_template", "template"), ('"llama"', '"alpaca"'), ('"no"', "no()"), ("{\n", "{{\n")],
)
def test_a_script_that_is_structured_otherwise_is_refused(old: str, new: str) -> None:
    with pytest.raises(SetupError, match="the official prompt cannot be read"):
        extract(SOURCE.replace(old, new, 1))


def test_an_instruction_that_is_not_the_rounds_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "reference" / "language" / "llama3.1-8b" / "download_cnndm.py"
    script.parent.mkdir(parents=True)
    script.write_text(SOURCE)
    manifest = describe(tmp_path / "reference", full=True)
    proof = Proof(
        kind=ArtifactKind.REFERENCE,
        folder=tmp_path / "reference",
        repo=None,
        revision=None,
        manifest_digest=manifest.digest,
        files=manifest.files,
    )
    pins = {"instruction": hashlib.sha256(INSTRUCTION.encode()).hexdigest()}
    BENCHMARK.extract_prompt(proof, pins, tmp_path / "prompt.json")
    BENCHMARK.check_prompt(tmp_path / "prompt.json", pins)
    with pytest.raises(InputError, match=r"the instruction has sha256 .* but the round pins 071129ff"):
        BENCHMARK.extract_prompt(proof, ROUND.prompt, tmp_path / "other.json")
    assert not (tmp_path / "other.json").exists()
    script.write_text(SOURCE + "\n")
    with pytest.raises(SetupError, match="changed since the reference was verified"):
        BENCHMARK.extract_prompt(proof, pins, tmp_path / "other.json")
    (tmp_path / "twice.json").write_text(json.dumps({"instruction": "{input}{input}"}))
    with pytest.raises(InputError, match=r"needs the placeholder \{input\} once"):
        BENCHMARK.task(tmp_path / "twice.json")
