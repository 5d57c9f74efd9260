"""Anyone's LoadGen logs, judged: each log says itself which scenario and mode it is of."""

from pathlib import Path

from weighbridge.config.round import Mode, Round
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.gates.judge import judge
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import DETAIL, RUN_RECORD
from weighbridge.records.score import ACCURACY_JSON, Evaluation
from weighbridge.records.verdict import Verdict

_MODES = {"PerformanceOnly": Mode.PERFORMANCE, "AccuracyOnly": Mode.ACCURACY}

# By name of the scenario.
Runs = dict[str, dict[Mode, Path]]


def judge_logs(folder: Path, round_: Round) -> tuple[Verdict, ...]:
    """Judge every scenario whose logs lie anywhere under a folder.

    Raises:
        InputError: there are no logs, two of the same scenario and mode, or one that cannot be read.
    """
    runs = find_runs(folder, round_)
    return tuple(
        judge(
            performance=of.get(Mode.PERFORMANCE),
            accuracy=of.get(Mode.ACCURACY),
            evaluation=_evaluation(of.get(Mode.ACCURACY)),
            round_=round_,
            scenario=round_.scenarios[scenario],
        )
        for scenario, of in sorted(runs.items())
    )


def find_runs(folder: Path, round_: Round) -> Runs:
    """Find the runs under a folder by what their detail logs say.

    A log names only LoadGen's scenario; of several scenarios of the round that LoadGen issues alike, the one
    whose folder the log lies in is taken.

    Raises:
        InputError: as `judge_logs`.
    """
    found: Runs = {}
    # Runs as they were made come first: beside them is what a copy in a tree lacks.
    for path in sorted(folder.rglob(DETAIL), key=lambda path: (not _recorded(path), path)):
        log = read_detail(path)
        issued, test_mode = log.text("effective_scenario"), log.text("effective_test_mode")
        mode = _MODES.get(test_mode or "")
        scenario = _scenario_of(path, issued, round_)
        if mode is None or scenario is None:
            known = ", ".join(rules.folder for rules in round_.scenarios.values())
            raise InputError(
                f"{path}: is of scenario {issued}, mode {test_mode}; only performance and accuracy runs of "
                f"{known} can be judged."
            )
        of = found.setdefault(scenario, {})
        if mode in of and sha256_of(of[mode] / DETAIL) == sha256_of(path):
            continue  # the same run again, as a submission tree has it
        if mode in of:
            raise InputError(
                f"{folder}: has two {round_.scenarios[scenario].folder} {mode} runs, {of[mode]} and "
                f"{path.parent}; give a folder with one of them."
            )
        of[mode] = path.parent
    if not found:
        raise InputError(f"{folder}: no {DETAIL} in it or below; give the folder of LoadGen's logs.")
    return found


def _scenario_of(log: Path, issued: str | None, round_: Round) -> str | None:
    """Return the round's scenario that a log is of; None where it has none that LoadGen issues so."""
    alike = [rules for rules in round_.scenarios.values() if rules.loadgen_scenario == issued]
    named = {name: rules for rules in alike for name in (rules.name, rules.folder)}
    nearest = next((named[part] for part in reversed(log.parts) if part in named), None)
    chosen = nearest or next(iter(alike), None)
    return chosen.name if chosen else None


def _recorded(log: Path) -> bool:
    return log.with_name(RUN_RECORD).is_file()


def _evaluation(accuracy: Path | None) -> Evaluation | None:
    """Read the score that `weighbridge evaluate` wrote into the run's folder or above it."""
    if accuracy is None:
        return None
    places = (accuracy / ACCURACY_JSON, accuracy.parent / ACCURACY_JSON)
    return next((Evaluation.read(place) for place in places if place.is_file()), None)
