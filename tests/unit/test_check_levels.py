"""The two levels of a check: what the terminal and check.json say, and which of them ends with an error."""

import json
from pathlib import Path

import pytest
from loadgen_files import small_round, write_results
from rich.console import Console

from weighbridge.benchmarks import rounds
from weighbridge.cli.submission import check
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InvalidRunError
from weighbridge.records.check_record import CheckReport, Complaint, Finding, Level, render_report
from weighbridge.submission import assemble

ROUND = small_round()
SCENARIO = "closed/Me/results/box/qwen3-vl-235b-a22b/Offline"


def _complaint(level: Level, file: str = "closed/Me") -> Complaint:
    return Complaint(tool="weighbridge", file=file, said="is odd", remedy="Mend it.", level=level)


def _report(*complaints: Complaint, strict: bool = False, accepted: bool | None = True) -> CheckReport:
    return CheckReport(
        round="v6.0",
        submittable=True,
        strict=strict,
        expected_results=2,
        originals={},
        findings=(Finding(tool="submission_checker", accepted=accepted, results=2, said="said so"),),
        complaints=complaints,
    )


def _shown(report: CheckReport) -> list[str]:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render_report(report))
    return capture.get().splitlines()


@pytest.mark.parametrize(
    ("report", "last"),
    [
        (_report(), "Round v6.0: accepted."),
        (_report(_complaint("warning")), "Round v6.0: accepted, 1 warning."),
        (_report(*3 * [_complaint("warning")]), "Round v6.0: accepted, 3 warnings."),
        (_report(_complaint("warning"), strict=True), "Round v6.0: REFUSED, 1 warning."),
        (
            _report(*2 * [_complaint("error")], _complaint("warning")),
            "Round v6.0: REFUSED, 2 errors, 1 warning.",
        ),
        (_report(accepted=False), "Round v6.0: REFUSED."),
        (_report(accepted=None), "Round v6.0: accepted."),
    ],
)
def test_the_last_line_says_what_refused_and_how_many_complaints_there_are(
    report: CheckReport, last: str
) -> None:
    assert _shown(report)[-1] == last
    assert report.accepted == ("accepted" in last)


def test_each_complaint_shows_its_level_and_errors_come_first() -> None:
    lines = _shown(_report(_complaint("warning", "a"), _complaint("error", "b")))
    assert [line for line in lines if "(weighbridge)" in line] == [
        "error: b: is odd (weighbridge)",
        "warning: a: is odd (weighbridge)",
    ]


def test_a_path_that_the_official_tool_repeats_is_shown_once() -> None:
    official = Complaint(
        tool="submission_checker",
        file="closed/Me/a.txt",
        said="closed/Me/a.txt seed is wrong",
        remedy="Repeat.",
    )
    assert "error: closed/Me/a.txt: seed is wrong (submission_checker)" in _shown(_report(official))


def test_the_command_accepts_warnings_and_a_strict_one_refuses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(tmp_path / "results", ROUND)
    tree, output = tmp_path / "tree", tmp_path / "check.json"
    assemble(
        results=tmp_path / "results",
        destination=tree,
        originals=tmp_path / "originals",
        round_=ROUND,
        settings=SubmissionSettings(submitter="Me", system="box"),
        source=None,
    )
    (tree / SCENARIO / "notes.txt").write_text("x")
    monkeypatch.setattr(rounds, "load_round", lambda _: ROUND)
    check("small", tree, output=output)
    assert [each["level"] for each in json.loads(output.read_text())["complaints"]] == ["warning"]
    with pytest.raises(InvalidRunError) as refused:
        check("small", tree, output=output, strict=True)
    assert str(refused.value) == f"{tree}: refused with 1 warning, listed above."
    assert refused.value.exit_code == 4
    assert json.loads(output.read_text())["strict"]
    (tree / SCENARIO / "README.md").unlink()
    with pytest.raises(InvalidRunError, match="refused with 1 error, 1 warning, listed above"):
        check("small", tree)
