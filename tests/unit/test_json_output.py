"""`--json`: one document on stdout and nothing else, with the keys that the page of commands names."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from attested_tree import write_attested
from recorded_results import write_scored, write_sweep, write_verdicts
from test_progress_follow import write
from typer.testing import CliRunner

from weighbridge import cli
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.gates.foreign_logs import JudgedLogs
from weighbridge.history.history_listing import HistoryListing
from weighbridge.monitor.follow import RunsListing
from weighbridge.provenance.verification import VerificationListing
from weighbridge.records.cross_measurement import CrossMeasurement
from weighbridge.records.progress_record import Phase
from weighbridge.records.sweep_change import SweepChange
from weighbridge.report.compare_runs import Comparison
from weighbridge.report.expected_time import ExpectedTime
from weighbridge.report.run_plan import PlanListing, PlanRow, RunPlan
from weighbridge.report.spent_time import SpentTime
from weighbridge.report.summary import Summary
from weighbridge.simulate.cell_prediction import PredictionListing
from weighbridge.system.machine_check import Diagnosis

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
# What the rows of the page's table are about.
DOCUMENTS: Mapping[str, type] = {
    "`summary`": Summary,
    "`compare` of run directories": Comparison,
    "`compare` of sweeps": SweepChange,
    "`plan`": PlanListing,
    "`spent`": SpentTime,
    "`doctor`": Diagnosis,
    "`watch`": RunsListing,
    "`history`": HistoryListing,
    "`gate --logs`": JudgedLogs,
    "`verify`": VerificationListing,
    "`cross-measure`": CrossMeasurement,
    "`predict`": PredictionListing,
}


def table() -> dict[str, list[str]]:
    """Return the keys that the page names, by the first cell of their row; keys in parentheses are below."""
    text = PAGE.read_text().partition("| command | keys of the document |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    return {name: re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", keys)) for name, keys in rows}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_names_the_keys_of_the_document(name: str) -> None:
    model = DOCUMENTS[name]
    keys = getattr(model, "model_fields", None) or [each.name for each in fields(model)]
    assert table()[name] == [*keys]


def test_the_page_has_each_command_with_json_and_no_other() -> None:
    main = typer.main.get_group(cli.app)
    with_json = {
        name
        for name, command in main.commands.items()
        for each in (command, *getattr(command, "commands", {}).values())
        if any("--json" in parameter.opts for parameter in each.params)
    }
    listed = {word for name in table() for word in re.findall(r"`([a-z-]+)", name)}
    assert with_json == listed


def printed(*arguments: object, error: type[Exception] | None = None) -> Any:
    """Return what a command prints on stdout, read as JSON; its table would not be that."""
    done = CliRunner().invoke(cli.app, [*map(str, arguments), "--json"])
    assert type(done.exception) is (error or type(None)), done.exception
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished")
    write_verdicts(run)
    write_scored(run)
    write_sweep(run)
    write(run / "results" / "offline" / "performance", phase=Phase.DONE)
    return run


def test_finished_results_are_printed_as_json(finished: Path) -> None:
    results = finished / "results"
    summary = Summary.parse(printed("summary", "--results", results), "summary")
    assert [each.scenario for each in summary.scenarios] == ["offline", "server"]
    compared = Comparison.parse(printed("compare", finished), "compare")
    assert {line.scenario for line in compared.lines} == {"offline", "server"}
    assert compared.quality is not None
    assert SpentTime.parse(printed("spent", "--results", results), "spent").lives == ()
    [run] = RunsListing.parse(printed("watch", finished), "watch").runs
    assert run.folder == str(results / "offline" / "performance")
    assert (run.active, run.state.phase) == (False, Phase.DONE)


def test_two_sweeps_are_compared_as_json_and_a_file_is_written_by_output(finished: Path) -> None:
    sweep = finished / "results" / "sweeps" / "demo-sweep"
    change = SweepChange.parse(printed("compare", sweep, sweep), "compare")
    assert [(row.system, row.before) for row in change.rows] == [("B", "B")]
    done = CliRunner().invoke(cli.app, ["compare", str(sweep), str(sweep), "--json", "change.json"])
    assert isinstance(done.exception, InputError)
    assert "--json prints, and --output change.json writes" in str(done.exception)


def test_what_is_judged_is_printed_as_json_before_the_exit_code(finished: Path, tmp_path: Path) -> None:
    judged = printed("gate", "--logs", finished / "results", "--round", "demo", error=InvalidRunError)
    assert {verdict["outcome"] for verdicts in judged["systems"].values() for verdict in verdicts} == {
        "INVALID"
    }
    attested = write_attested(tmp_path)
    verified = printed("verify", attested.archive, "--key", attested.public, error=InvalidRunError)
    assert verified["outcome"] == "NOT VERIFIED"
    assert {check["name"] for check in verified["checks"]} >= {"signature", "archive"}
    assert verified["statement"]["predicateType"]


def test_messages_go_to_stderr_and_the_document_alone_to_stdout(finished: Path) -> None:
    command = [sys.executable, "-m", "weighbridge", "--verbose", "score-mmlu", "--json"]
    command += ["--out", str(finished / "results" / "quality" / "mmlu")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    overall = finished / "results" / "quality" / "mmlu" / "overall.json"
    assert json.loads(done.stdout) == json.loads(overall.read_text())


def test_a_plan_is_listed_with_its_sum_and_what_is_unknown() -> None:
    rows = (
        PlanRow("server start", "to do", "1 start", None),
        PlanRow("offline performance", "to do", "512 samples", ExpectedTime(30, 40)),
        PlanRow("server accuracy", "done", "512 samples", ExpectedTime.exactly(90)),
    )
    listing = json.loads(PlanListing.of(RunPlan(rows, gpus=8)).model_dump_json())
    assert listing["to_come"] == {"least_s": 30, "most_s": 40}
    assert listing["unknown"] == ["server start"]
    assert listing["steps"][1]["name"] == "offline performance"
    assert listing["gpus"] == 8
