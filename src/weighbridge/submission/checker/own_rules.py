"""Weighbridge's own checks of a tree: what the official tools check, and what they overlook.

Source of the rules: tools/submission in mlcommons/inference @ b66003e1 and the submission rules of
mlcommons/policies, section by section as in docs/submission.md.
"""

from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.gates.accuracy_checks import accuracy_checks, samples_asked
from weighbridge.gates.log_checks import common_checks
from weighbridge.gates.performance_checks import performance_checks
from weighbridge.loadgen.logs import DetailLog, read_detail
from weighbridge.records.check_record import Complaint
from weighbridge.records.run_record import DETAIL
from weighbridge.records.verdict import Check
from weighbridge.submission.checker.client_scenario import is_of_client
from weighbridge.submission.checker.consistency_rules import consistency_complaints
from weighbridge.submission.checker.layout_rules import layout_complaints
from weighbridge.submission.checker.mark_rules import mark_complaints
from weighbridge.submission.checker.record_rules import record_complaints
from weighbridge.submission.checker.score_rules import score_complaints
from weighbridge.submission.checker.statement_rules import statement_complaints
from weighbridge.submission.checker.tree_paths import (
    AGAIN,
    ScenarioPath,
    complaint_at,
    rules_of,
    scenario_paths,
)
from weighbridge.submission.checker.user_conf_rules import rate_complaints
from weighbridge.submission.tree import RUN_FOLDERS

# The checks of a run that also apply to the open division.
_OPEN = {
    "LoadGen's result",
    "early_stopping_met",
    "latency limit set",
    "minimum query count set",
    "result logged",
    "scenario",
    "mode",
    "seeds",
    "dataset size",
    "minimum duration set",
    "performance sample count",
    "samples asked",
    "LoadGen errors",
}


def own_complaints(tree: Path, round_: Round) -> list[Complaint]:
    """Check a tree's layout, statements, logs and scores; return all complaints."""
    complaints = [*layout_complaints(tree, round_), *statement_complaints(tree, round_)]
    complaints += [*record_complaints(tree, round_), *mark_complaints(tree, round_)]
    for path in (each for each in scenario_paths(tree) if each.is_judged_in(round_)):
        scenario = rules_of(path.scenario, round_)
        if scenario is not None and not is_of_client(path, round_):
            of_scenario = round_of_scenario(round_, scenario.name)
            complaints += _run_complaints(tree, path, of_scenario, scenario)
            complaints += score_complaints(tree, path, of_scenario)
            complaints += consistency_complaints(tree, path, of_scenario, scenario)
    return complaints


def _run_complaints(
    tree: Path, path: ScenarioPath, round_: Round, scenario: ScenarioRules
) -> list[Complaint]:
    """Check the logs of both runs with every gate that needs logs alone."""
    complaints: list[Complaint] = []
    for mode, inner in RUN_FOLDERS.items():
        folder = path.folder / inner
        log = folder / DETAIL
        try:
            detail = read_detail(log)
            checks = _checks(folder, detail, mode, round_, scenario)
            if mode is Mode.PERFORMANCE:
                complaints += rate_complaints(tree, path, detail, scenario)
        except InputError as error:
            said = str(error).removeprefix(f"{log}: ")
            complaints.append(complaint_at(tree, log, said, AGAIN))
            continue
        complaints += [
            complaint_at(
                tree, log, f"{check.name} is {check.value}, must be {check.limit}", check.remedy or ""
            )
            for check in checks
            if check.passed is False and (path.division == "closed" or check.name in _OPEN)
        ]
    return complaints


def _checks(folder: Path, log: DetailLog, mode: Mode, round_: Round, scenario: ScenarioRules) -> list[Check]:
    common = common_checks(folder, log, mode, round_, scenario)
    if mode is Mode.PERFORMANCE:
        return common + performance_checks(log, round_, scenario)
    # Without scores: score_rules compare them with their bounds.
    return common + accuracy_checks(samples_asked(log), round_, None, {})
