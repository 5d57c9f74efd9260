"""Our own checks of a tree: all that the official tools look at, and what they pass over.

Source of the rules: tools/submission in mlcommons/inference @ b66003e1 and the submission rules of
mlcommons/policies, section by section as in docs/submission.md.
"""

from pathlib import Path

from weighbridge.config.round import Mode, Round, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.gates.accuracy_checks import accuracy_checks, known_scores
from weighbridge.gates.log_checks import common_checks
from weighbridge.gates.performance_checks import performance_checks
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.check_record import Complaint
from weighbridge.records.run_record import DETAIL
from weighbridge.records.verdict import Check
from weighbridge.submission.checker.layout_rules import form_complaints
from weighbridge.submission.checker.score_rules import score_complaints
from weighbridge.submission.checker.statement_rules import statement_complaints
from weighbridge.submission.checker.tree_paths import Place, scenario_places

# What the open division checks of a run; all else is reported only.
_OPEN = {
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
    """Check a tree: its form, its statements, its logs and its scores."""
    complaints = [*form_complaints(tree, round_), *statement_complaints(tree, round_)]
    for place in scenario_places(tree):
        if place.scenario in {rules.folder for rules in round_.scenarios.values()}:
            complaints += _runs(tree, place, round_)
            complaints += score_complaints(tree, place, round_)
    return complaints


def _runs(tree: Path, place: Place, round_: Round) -> list[Complaint]:
    """Hold both logs against every gate that logs alone can answer."""
    [scenario] = [rules for rules in round_.scenarios.values() if rules.folder == place.scenario]
    complaints = []
    for mode, folder in (
        (Mode.PERFORMANCE, place.folder / "performance" / "run_1"),
        (Mode.ACCURACY, place.folder / "accuracy"),
    ):
        file = (folder / DETAIL).relative_to(tree).as_posix()
        try:
            checks = _checks(folder, mode, round_, scenario)
        except InputError as error:
            complaints.append(
                Complaint(
                    tool="weighbridge",
                    file=file,
                    said=str(error),
                    remedy="Assemble the tree anew from the runs.",
                )
            )
            continue
        complaints += [
            Complaint(
                tool="weighbridge",
                file=file,
                said=f"{check.name} is {check.value}, must be {check.limit}",
                remedy=check.remedy or "",
            )
            for check in checks
            if check.passed is False and (place.division == "closed" or check.name in _OPEN)
        ]
    return complaints


def _checks(folder: Path, mode: Mode, round_: Round, scenario: ScenarioRules) -> list[Check]:
    log = read_detail(folder / DETAIL)
    common = common_checks(folder, log, mode, round_, scenario)
    if mode is Mode.PERFORMANCE:
        return common + performance_checks(log, round_, scenario)
    return common + accuracy_checks(log, round_, None, known_scores(folder, None, round_))
