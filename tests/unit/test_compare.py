"""Comparison of runs: the lines of runs and published results, and the notes on demonstrations."""

import io
from pathlib import Path

import pytest
from loadgen_files import small_round, write_results
from rich.console import Console

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.core.errors import InputError
from weighbridge.report.compare_runs import (
    Comparison,
    Published,
    compare,
    published_lines,
    render_comparison,
)
from weighbridge.report.summary import summarise
from weighbridge.report.summary_tables import render_summary

ROUND = small_round(name="v6.0")


def _text(comparison: Comparison) -> str:
    output = io.StringIO()
    Console(width=160, file=output).print(render_comparison(comparison))
    return output.getvalue()


def test_runs_come_first_and_published_results_of_the_benchmark_below(tmp_path: Path) -> None:
    write_results(tmp_path / "a" / "results", ROUND)
    write_results(tmp_path / "b", ROUND)
    comparison = compare([tmp_path / "a", tmp_path / "b"])
    offline = [line for line in comparison.lines if line.scenario == "offline"]
    assert [line.outcome for line in offline[:3]] == ["VALID", "VALID", "published"]
    assert len(comparison.lines) == 2 * (2 + 8)
    assert offline[0].deviations == pytest.approx((0.79 - 0.7903037) / 0.000225)
    text = _text(comparison)
    [line] = [line for line in text.splitlines() if "NVIDIA 4x GB200" in line and "43.7662" in line]
    assert f"{43.7662 / 24:.2f}" in line
    assert "-8.1" in line  # (0.78849 - mean) / sd
    assert text.count("DEMONSTRATION, NOT SUBMITTABLE") == 2


def test_a_round_outside_the_release_is_compared_without_them(tmp_path: Path) -> None:
    write_results(tmp_path, small_round())
    comparison = compare([tmp_path])
    assert len(comparison.lines) == 2
    assert {line.deviations for line in comparison.lines} == {None}


def test_a_folder_without_verdicts_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no verdict"):
        compare([tmp_path])


@pytest.mark.parametrize("named", ["demo", "rehearsal", "v6.0+limit=20"])
def test_what_is_no_result_of_the_benchmark_is_compared_with_none(named: str) -> None:
    assert published_lines(load_round("v6.0"))
    assert published_lines(load_round(named)) == []


def test_the_published_file_holds_all_16_results() -> None:
    published = Published.read(load_benchmark(ROUND.benchmark).folder / "published.yaml")
    assert len(published.results) == 8
    assert len({result.submitter for result in published.results}) == 5


@pytest.mark.parametrize(
    ("category", "scenarios"),
    [("datacenter", {"offline", "server", "interactive"}), ("edge", {"offline", "singlestream"})],
)
def test_published_results_are_those_of_the_category(category: str, scenarios: set[str]) -> None:
    lines = published_lines(load_round(f"llama3.1-8b/v6.0@{category}"))
    assert {line.scenario for line in lines} == scenarios
    assert all(("Jetson" in line.system) == (category == "edge") for line in lines)


def test_a_long_path_is_never_broken(tmp_path: Path) -> None:
    run = tmp_path / ("a-run-directory-whose-name-is-longer-than-any-column-and-any-terminal-" * 2)
    write_results(run / "results", ROUND)
    file = io.StringIO()
    Console(file=file, width=80).print(render_comparison(compare([run])), crop=False)
    assert f"run 1: {run} (" in file.getvalue()
    Console(file=file, width=80).print(render_summary(summarise(run / "results")), crop=False)
    assert f"Offline: {run}/results/offline\n" in file.getvalue()
