"""Benchmarks of other packages: found by entry point, refused in one sentence, and the toy one's parts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from weighbridge.artifacts.folder import ArtifactKind, check_contents
from weighbridge.artifacts.verify import describe
from weighbridge.benchmarks.registry import benchmarks, check_requests, load_benchmark
from weighbridge.benchmarks.rounds import load_round, round_file
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import read_columns
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import Api
from weighbridge.requests.store import RequestStore, build_store

TOY = Path(__file__).parents[1] / "toy_benchmark"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    benchmarks.cache_clear()
    yield
    benchmarks.cache_clear()


def register(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Write what an installer would of a package in `folder`, and put the folder on the path."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[weighbridge.benchmarks]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOY)
    register(tmp_path, monkeypatch, "toy-arithmetic", "toy_arithmetic:BENCHMARK")


@pytest.mark.usefixtures("toy")
def test_an_installed_benchmark_and_its_rounds_are_known_by_name() -> None:
    assert load_benchmark("toy-arithmetic").folder == TOY / "toy_arithmetic"
    assert round_file("toy") == round_file("toy-arithmetic/toy") == TOY / "toy_arithmetic/rounds/toy.yaml"
    round_ = load_round("toy")
    assert not round_.submittable
    assert "toy of toy-arithmetic is not pinned by this release" in str(round_.not_submittable_because)


def test_one_that_is_not_installed_is_not_known() -> None:
    with pytest.raises(InputError, match=r"'toy-arithmetic' does not exist; .*, qwen3-vl-235b-a22b\."):
        load_benchmark("toy-arithmetic")


def test_one_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_benchmark.py").write_text("import a_package_that_is_not_there\n")
    register(tmp_path, monkeypatch, "broken", "broken_benchmark:BENCHMARK")
    with pytest.raises(InputError, match=r"'broken' .*a_package_that_is_not_there.*uninstall") as refused:
        load_round("v6.0")
    assert "\n" not in str(refused.value)


def test_two_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from weighbridge.benchmarks.qwen3_vl import Qwen3Vl\nBENCHMARK = Qwen3Vl()\n"
    (tmp_path / "second_benchmark.py").write_text(source)
    register(tmp_path, monkeypatch, "second", "second_benchmark:BENCHMARK")
    with pytest.raises(InputError, match=r"two benchmarks .*qwen3-vl-235b-a22b.*uninstall one"):
        benchmarks()


@pytest.mark.usefixtures("toy")
def test_a_round_that_two_benchmarks_have_is_asked_for_by_both_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rounds").mkdir()
    (tmp_path / "rounds" / "toy.yaml").write_text("extends: toy-arithmetic/toy\nsamples: 9\n")
    source = "from pathlib import Path\nfrom toy_arithmetic import ToyArithmetic\n"
    source += (
        "BENCHMARK = ToyArithmetic()\nBENCHMARK.name = 'other'\nBENCHMARK.folder = Path(__file__).parent\n"
    )
    (tmp_path / "other_benchmark.py").write_text(source)
    register(tmp_path, monkeypatch, "other", "other_benchmark:BENCHMARK")
    with pytest.raises(InputError, match="choose one of other/toy, toy-arithmetic/toy"):
        round_file("toy")
    assert (load_round("other/toy").samples, load_round("toy-arithmetic/toy").samples) == (9, 240)


@pytest.mark.usefixtures("toy")
def test_it_refuses_a_prompt_and_makes_up_what_it_can(tmp_path: Path) -> None:
    benchmark = load_benchmark("toy-arithmetic")
    with pytest.raises(InputError, match="uses no prompt file"):
        benchmark.task(tmp_path / "prompt.json")
    for kind in (ArtifactKind.DATASET, ArtifactKind.MODEL):
        for name in ("one", "two"):
            benchmark.synthesise(kind, 50, tmp_path / name / kind)
        check_contents(kind, tmp_path / "one" / kind)
        assert describe(tmp_path / "one" / kind) == describe(tmp_path / "two" / kind)
    rows = read_columns(tmp_path / "one" / "dataset", ["questions"], ["left", "operator", "right", "result"])
    for row in rows.itertuples():
        assert eval(f"{row.left} {row.operator} {row.right}") == row.result
    assert not rows.duplicated(["left", "operator", "right"]).any()
    with pytest.raises(InputError, match="reference: cannot be synthetic"):
        benchmark.synthesise(ArtifactKind.REFERENCE, 1, tmp_path / "reference")


def build_toy_store(folder: Path, settings: RequestSettings) -> None:
    """Build the store of 20 of the toy benchmark's questions in a folder, beside the dataset."""
    benchmark = load_benchmark("toy-arithmetic")
    benchmark.synthesise(ArtifactKind.DATASET, 20, folder / "dataset")
    build_store(
        dataset=folder / "dataset",
        splits=("questions",),
        prompt=None,
        benchmark=benchmark.name,
        model_name="m",
        settings=settings,
        expected_samples=20,
        out=folder / "store",
        processes=1,
    )


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("stream", [False, True])
def test_its_requests_are_texts_to_complete(tmp_path: Path, stream: bool) -> None:
    build_toy_store(tmp_path, RequestSettings(stream=stream))
    store = RequestStore.open(tmp_path / "store")
    assert store.manifest.api is Api.COMPLETIONS
    body = json.loads(bytes(store.body(0)))
    extra = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    assert body == {"model": "m", "prompt": "93 + 40 =", **extra}


@pytest.mark.usefixtures("toy")
def test_guided_decoding_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"toy-arithmetic has no JSON schema .* remove the setting\.$"):
        build_toy_store(tmp_path, RequestSettings(guided_decoding=True))
    assert not (tmp_path / "store").exists()
    check_requests("toy-arithmetic", RequestSettings())
    older: Any = type("Older", (), {"name": "older"})()
    benchmarks()["older"] = older
    with pytest.raises(InputError, match="older has no JSON schema"):
        check_requests("older", RequestSettings(guided_decoding=True))


@pytest.mark.usefixtures("toy")
def test_its_scorer_takes_the_last_number_and_compares_lengths() -> None:
    task = load_benchmark("toy-arithmetic").task(None)
    truth = pd.DataFrame({"operator": ["+", "+", "-", "*"], "result": [12, 7, -3, 100]})
    answers = [" 12", "3 + 4 = 7", "minus three", "-100"]
    score = task.score(truth, answers)
    assert score.metrics == {"exact": 0.5, "length_ratio": (2 + 9 + 11 + 4) / (2 + 1 + 2 + 3)}
    assert (score.samples, score.unparsable) == (4, 1)
    divided = task.per_sample(truth, answers)
    assert {each.name: each.value for each in divided.measures} == score.metrics
    assert divided.readable.tolist() == [True, True, False, True]
    assert {part.name: (part.right, part.total) for part in score.parts} == {
        "operator *": (0, 1),
        "operator +": (2, 2),
        "operator -": (0, 1),
    }
    assert task.accuracy_line(score) == '{"exact": 0.500000000, "length_ratio": 3.250000000}'
    for (right, wrong), result in zip(task.sample_answers(truth), truth["result"], strict=True):
        assert (int(right), int(wrong)) == (result, result + 1)
