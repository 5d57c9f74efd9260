"""Anyone's LoadGen logs, judged: each log says itself which scenario and mode it is of."""

from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.core.terms import Mode, Scenario
from weighbridge.evaluation.evaluate import ACCURACY_JSON, Evaluation
from weighbridge.gates.judge import judge
from weighbridge.loadgen.logs import DETAIL, read_detail
from weighbridge.records.run_record import RUN_RECORD
from weighbridge.records.verdict import Verdict

_MODES = {"PerformanceOnly": Mode.PERFORMANCE, "AccuracyOnly": Mode.ACCURACY}

Runs = dict[Scenario, dict[Mode, Path]]


def judge_logs(folder: Path, round_: Round) -> tuple[Verdict, ...]:
    """Judge every scenario whose logs lie anywhere under a folder.

    Raises:
        InputError: there are no logs, two of the same scenario and mode, or one that cannot be read.
    """
    runs = find_runs(folder)
    return tuple(
        judge(
            performance=of.get(Mode.PERFORMANCE),
            accuracy=of.get(Mode.ACCURACY),
            evaluation=_evaluation(of.get(Mode.ACCURACY)),
            round_=round_,
            scenario=scenario,
        )
        for scenario, of in sorted(runs.items())
    )


def find_runs(folder: Path) -> Runs:
    """Find the runs under a folder by what their detail logs say.

    Raises:
        InputError: as `judge_logs`.
    """
    found: Runs = {}
    # Runs as they were made come first: beside them is what a copy in a tree lacks.
    for path in sorted(folder.rglob(DETAIL), key=lambda path: (not _recorded(path), path)):
        log = read_detail(path)
        scenario, test_mode = log.text("effective_scenario"), log.text("effective_test_mode")
        mode = _MODES.get(test_mode or "")
        if mode is None or scenario not in {each.loadgen_name for each in Scenario}:
            raise InputError(
                f"{path}: is of scenario {scenario}, mode {test_mode}; only performance and accuracy runs of "
                f" {', '.join(each.loadgen_name for each in Scenario)} can be judged."
            )
        of = found.setdefault(Scenario(scenario.lower()), {})
        if mode in of and sha256_of(of[mode] / DETAIL) == sha256_of(path):
            continue  # the same run again, as a submission tree has it
        if mode in of:
            raise InputError(
                f"{folder}: has two {scenario} {mode} runs, {of[mode]} and {path.parent}; give a folder with "
                f"one of them."
            )
        of[mode] = path.parent
    if not found:
        raise InputError(f"{folder}: no {DETAIL} in it or below; give the folder of LoadGen's logs.")
    return found


def _recorded(log: Path) -> bool:
    return log.with_name(RUN_RECORD).is_file()


def _evaluation(accuracy: Path | None) -> Evaluation | None:
    """Read the score that `weighbridge evaluate` wrote into the run's folder or above it."""
    if accuracy is None:
        return None
    places = (accuracy / ACCURACY_JSON, accuracy.parent / ACCURACY_JSON)
    return next((Evaluation.read(place) for place in places if place.is_file()), None)
