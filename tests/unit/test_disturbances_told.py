"""What a verdict, its summary and its report say of disturbed runs, and of what nobody looked for."""

import io
from pathlib import Path

import pytest
import typer
from judged_pair import DEMONSTRATION, Pair
from loadgen_files import small_round, write_results
from rich.console import Console
from typer.testing import CliRunner

from weighbridge.cli.results import register
from weighbridge.core.errors import InvalidRunError
from weighbridge.disturbances.find_disturbances import FoundDisturbances
from weighbridge.gates.disturbance_checks import strict_checks
from weighbridge.records.disturbance import Disturbance, NotExamined
from weighbridge.records.verdict import Verdict, outcome_of, write_verdict
from weighbridge.report.summary import Summary, summarise
from weighbridge.report.summary_tables import render_summary, summary_markdown
from weighbridge.report.write_report import write_report

STALL = Disturbance(
    run="performance",
    kind="stall",
    sentence="Nothing completed for 23.0 s.",
    evidence={"longest_s": 23.0},
    remedy="Repeat the run.",
)
UNSEEN = NotExamined(run="accuracy", kind="steal", reason="no telemetry was recorded")


def _judged(
    results: Path, found: tuple[Disturbance, ...], missing: tuple[NotExamined, ...] | None
) -> Summary:
    """Write results whose verdicts have these disturbances."""
    if not (results / "offline").exists():
        write_results(results, small_round())
    for path in results.glob("*/verdict.json"):
        changed = {"disturbances": found, "not_examined": missing}
        write_verdict(Verdict.read(path).model_copy(update=changed), path)
    return summarise(results)


def _text(summary: Summary) -> str:
    output = io.StringIO()
    Console(width=200, file=output).print(render_summary(summary))
    return output.getvalue()


def test_a_disturbance_is_a_line_below_the_table_and_its_remedy_is_said_once(tmp_path: Path) -> None:
    found = _judged(tmp_path, (STALL, STALL.model_copy(update={"run": "accuracy"})), ())
    text = _text(found)
    for title in ("Offline", "Server"):
        for run in ("performance", "accuracy"):
            assert f"Warning: {title}: {run} run: Nothing completed for 23.0 s." in text
    assert text.count("What to do about stalls: Repeat the run.") == 1
    assert "No warnings" not in text
    assert "- Warning: Offline: performance run: Nothing completed" in summary_markdown(found)
    assert [each.disturbances[0] for each in found.scenarios] == [STALL, STALL]
    assert all(each.outcome == "VALID" for each in found.scenarios if each.title == "Offline")


def test_no_warnings_is_said_only_where_everything_was_looked_for(tmp_path: Path) -> None:
    assert "No warnings." in _text(_judged(tmp_path, (), ()))
    text = _text(_judged(tmp_path, (), (UNSEEN, UNSEEN.model_copy(update={"kind": "machine_load"}))))
    assert "No warnings" not in text
    assert "not looked for: steal, load by others (accuracy run: no telemetry was recorded)." in text
    text = _text(_judged(tmp_path, (), None))
    assert "No warnings" not in text
    assert "an earlier release judged it" in text


def test_the_page_says_the_same(tmp_path: Path) -> None:
    pages = []
    for found, missing in (((STALL,), ()), ((), ()), ((), (UNSEEN,))):
        _judged(tmp_path, found, missing)
        write_report(tmp_path, tmp_path / "report.html", round_=small_round())
        pages.append((tmp_path / "report.html").read_text())
    disturbed, quiet, unseen = pages
    assert disturbed.count("Nothing completed for 23.0 s.") == 4  # a card and a line for each scenario
    assert "No warnings." not in disturbed
    assert "No warnings." in quiet
    assert "not looked for: steal (accuracy run: no telemetry was recorded)." in unseen
    assert "No warnings." not in unseen


@pytest.mark.parametrize(
    ("found", "missing", "code"), [((), (), 0), ((STALL,), (), 4), ((), (UNSEEN,), 4), ((), None, 4)]
)
def test_a_strict_summary_fails_what_was_disturbed_or_not_examined(
    tmp_path: Path,
    found: tuple[Disturbance, ...],
    missing: tuple[NotExamined, ...] | None,
    code: int,
) -> None:
    _judged(tmp_path, found, missing)
    app = typer.Typer()
    register(app)
    assert CliRunner().invoke(app, ["summary", "--results", str(tmp_path)]).exit_code == 0
    failed = CliRunner().invoke(app, ["summary", "--results", str(tmp_path), "--strict"]).exception
    assert getattr(failed, "exit_code", 0) == code
    assert failed is None or isinstance(failed, InvalidRunError)


def test_strict_checks_fail_what_was_found_and_pass_nothing_that_is_unknown() -> None:
    assert outcome_of(strict_checks(FoundDisturbances((), ()))) == "VALID"
    assert outcome_of(strict_checks(FoundDisturbances((), (UNSEEN,)))) == "UNPROVEN"
    [failed, unknown] = strict_checks(FoundDisturbances((STALL,), (UNSEEN,)))
    assert (failed.run, failed.name, failed.passed) == ("performance", "disturbance: stalls", False)
    assert (failed.value, failed.remedy) == (STALL.sentence, STALL.remedy)
    assert (unknown.run, unknown.name, unknown.passed) == ("accuracy", "disturbance: steal", None)


def test_a_verdict_names_what_its_runs_did_not_record(tmp_path: Path) -> None:
    # No telemetry: the verdict is as before, and says that nobody looked.
    pair = Pair(tmp_path, DEMONSTRATION)
    verdict = pair.judged()
    assert verdict.outcome == "VALID"
    assert verdict.disturbances == ()
    assert verdict.not_examined is not None
    missing = {each.kind for each in verdict.not_examined}
    assert {"machine_load", "steal", "throttled"} <= missing
