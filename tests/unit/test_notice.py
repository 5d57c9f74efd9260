"""Why results are not submittable: the words, and where people meet them."""

import io
from pathlib import Path

import pytest
from loadgen_files import small_round, write_results
from rich.console import Console

from weighbridge.gates import render_verdict
from weighbridge.records.check_record import CheckReport, render_report
from weighbridge.records.notice import heading_of, mark_of, reason_of
from weighbridge.records.verdict import Verdict
from weighbridge.report.compare_runs import compare, render_comparison
from weighbridge.report.summary import render_summary, summarise

DEMO = "DEMONSTRATION, NOT SUBMITTABLE"
WHY = "round small of mine is not pinned by this release"
UNPINNED = small_round(not_submittable_because=WHY)


@pytest.mark.parametrize(
    ("changes", "heading", "reason", "mark"),
    [
        ({"submittable": True}, "", "", None),
        ({}, DEMO, "workflow works", f"{DEMO}: "),
        (
            {"simulated": True},
            "DEMONSTRATION, NOT SUBMITTABLE",
            "workflow works",
            "SIMULATED, NOT SUBMITTABLE",
        ),
        ({"not_submittable_because": WHY}, "NOT SUBMITTABLE", f"Not submittable: {WHY}.", WHY),
    ],
)
def test_each_kind_of_round_has_its_words(
    changes: dict[str, object], heading: str, reason: str, mark: str | None
) -> None:
    round_ = small_round(**changes)
    assert heading_of(round_) == heading
    assert reason in reason_of(round_)
    assert (reason == "") == (reason_of(round_) == "")
    if mark is not None:
        assert mark in mark_of(round_)


def _text(shown: object) -> str:
    output = io.StringIO()
    Console(width=300, file=output).print(shown)
    return output.getvalue()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_results(tmp_path / "results", UNPINNED)
    return tmp_path / "results"


def test_verdict_summary_and_comparison_are_not_called_a_demonstration(results: Path) -> None:
    verdict = Verdict.read(results / "server" / "verdict.json")
    assert verdict.not_submittable_because == WHY
    for shown in (render_verdict(verdict), render_summary(summarise(results))):
        assert f"Not submittable: {WHY}." in _text(shown)
        assert "NOT SUBMITTABLE" in _text(shown)
        assert "DEMONSTRATION" not in _text(shown)
    assert f"{results}: NOT SUBMITTABLE: {WHY}." in _text(render_comparison(compare([results])))


def test_the_report_of_a_checked_tree_gives_the_reason() -> None:
    report = CheckReport(
        round="small",
        submittable=False,
        not_submittable_because=WHY,
        expected_results=2,
        originals={},
        findings=(),
        complaints=(),
    )
    assert f"Not submittable: {WHY}." in _text(render_report(report))
    assert "accepted. NOT SUBMITTABLE." in _text(render_report(report))
