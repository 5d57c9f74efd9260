"""A run directory holds one benchmark, category and number of samples; others are told, not replaced."""

import json
from pathlib import Path

import pytest

from weighbridge.benchmarks.rounds import load_round
from weighbridge.core.errors import InputError
from weighbridge.run.results_folder import check_results_folder

EDGE, DATACENTER = "llama3.1-8b/v6.0@edge", "llama3.1-8b/v6.0@datacenter"
QWEN = "qwen3-vl-235b-a22b/v6.0"


def results_of(folder: Path, reference: str, *, earlier: bool = False, scenario: str = "offline") -> Path:
    round_ = load_round(reference)
    path = folder / "results" / scenario / "performance" / "run.json"
    path.parent.mkdir(parents=True)
    named = {} if earlier else {"benchmark": round_.benchmark, "category": round_.category}
    path.write_text(json.dumps({"round": round_.name} | named))
    return folder / "results"


@pytest.mark.parametrize(
    ("measured", "asked"),
    [
        (DATACENTER, EDGE),
        (QWEN, DATACENTER),
        (QWEN, f"{QWEN}+limit=20"),
        (DATACENTER, f"{DATACENTER}+limit=20"),
        ("demo", "demo+limit=20"),
    ],
)
def test_runs_of_another_kind_are_not_replaced(tmp_path: Path, measured: str, asked: str) -> None:
    results = results_of(tmp_path, measured)
    with pytest.raises(
        InputError,
        match=r"run\.json: a run of .*needs a run directory of its own; choose one with --directory",
    ):
        check_results_folder(results, load_round(asked))


@pytest.mark.parametrize("asked", [QWEN, "v6.1", f"{QWEN}+accuracy=strict"])
def test_runs_of_the_same_kind_pass(tmp_path: Path, asked: str) -> None:
    results = results_of(tmp_path, QWEN, earlier=True)
    assert check_results_folder(results, load_round(asked)) is None
    assert check_results_folder(tmp_path / "none", load_round(asked)) is None


def test_a_try_is_replaced_and_told(tmp_path: Path) -> None:
    results = results_of(tmp_path, f"{EDGE}+limit=20")
    assert check_results_folder(results, load_round(f"{EDGE}+limit=20")) is None
    for asked in (EDGE, DATACENTER, f"{EDGE}+limit=30"):
        assert "limit 20, but" in (check_results_folder(results, load_round(asked)) or "")


def test_a_try_beside_runs_of_another_kind_does_not_hide_them(tmp_path: Path) -> None:
    results_of(tmp_path, f"{EDGE}+limit=20")
    results = results_of(tmp_path, DATACENTER, scenario="server")
    with pytest.raises(InputError, match=r"results/server/performance/run\.json: a run of .*datacenter, but"):
        check_results_folder(results, load_round(EDGE))


def test_a_damaged_record_is_left_to_those_who_read_it(tmp_path: Path) -> None:
    results = results_of(tmp_path, QWEN)
    for text in ("", "[]", '{"round": 3}'):
        (results / "offline" / "performance" / "run.json").write_text(text)
        assert check_results_folder(results, load_round(EDGE)) is None
