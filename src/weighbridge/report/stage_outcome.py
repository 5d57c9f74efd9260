"""What a finished stage of a workflow came to, in one line: the verdict, or why there is no result."""

from collections.abc import Mapping
from pathlib import Path

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.gates.verdict_line import verdict_line
from weighbridge.records.not_made import not_made
from weighbridge.records.run_record import RUN_RECORD, RunRecord
from weighbridge.records.verdict import VERDICT, Verdict


def stage_outcome(results: Path, rule: str, wildcards: Mapping[str, str]) -> str | None:
    """Return what a stage came to; None where its name says all, or its record cannot be read.

    Args:
        results: Of the run directory.
        rule: The stage's rule.
        wildcards: Of the stage, such as its scenario and run.
    """
    try:
        if rule == "gate":
            return verdict_line(Verdict.read(results / wildcards["scenario"] / VERDICT))
        if rule == "benchmark":
            return _of_run(results / wildcards["scenario"] / wildcards["run"] / RUN_RECORD)
        if rule == "official_client":
            return _of_run(results / wildcards["scenario"] / Mode.PERFORMANCE / RUN_RECORD)
    except (InputError, KeyError):  # the stage that reads it next says what is wrong with it
        pass
    return None


def _of_run(record: Path) -> str | None:
    if not_made(record) is not None:
        return "not made, because its performance run does not count; the verdict says more."
    load = RunRecord.read(record).load
    if load.lost is not None:
        return f"{load.lost.reason}."
    return None if load.aborted is None else f"ended early: {load.aborted}."
