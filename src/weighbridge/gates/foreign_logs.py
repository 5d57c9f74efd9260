"""Judge LoadGen logs from any source; scenario and mode are read from each detail log."""

from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.gates.judge import judge
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import DETAIL, REPLACED_FOLDER, RUN_RECORD
from weighbridge.records.score import ACCURACY_JSON, Evaluation
from weighbridge.records.verdict import Verdict

_MODES = {"PerformanceOnly": Mode.PERFORMANCE, "AccuracyOnly": Mode.ACCURACY}

# Scenario name -> mode -> folder of the run.
Runs = dict[str, dict[Mode, Path]]


def judge_logs(folder: Path, round_: Round) -> tuple[Verdict, ...]:
    """Judge every scenario that has logs anywhere under a folder.

    Raises:
        InputError: there are no logs, two runs of one scenario and mode, or a log that cannot be read.
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
    """Find the runs under a folder, identified by their detail logs.

    A log names only LoadGen's scenario. If several scenarios of the round use the same LoadGen scenario, the
    one named by the innermost folder of the log's path is chosen.

    Raises:
        InputError: as in `judge_logs`.
    """
    found: Runs = {}
    # Original run folders first: they hold run.json, which copies in a submission tree lack.
    logs = [path for path in folder.rglob(DETAIL) if REPLACED_FOLDER not in path.relative_to(folder).parts]
    for path in sorted(logs, key=lambda path: (not _recorded(path), path)):
        log = read_detail(path)
        issued, test_mode = log.text("effective_scenario"), log.text("effective_test_mode")
        mode = _MODES.get(test_mode or "")
        scenario = _scenario_of(path, issued, round_)
        if mode is None or scenario is None:
            known = ", ".join(rules.folder for rules in round_.scenarios.values())
            raise InputError(
                f"{path}: scenario {issued}, mode {test_mode}; only performance and accuracy runs of "
                f"{known} can be judged."
            )
        of = found.setdefault(scenario, {})
        if mode in of and sha256_of(of[mode] / DETAIL) == sha256_of(path):
            continue  # a copy of the same run, such as the one in a submission tree
        if mode in of:
            raise InputError(
                f"{folder}: two {round_.scenarios[scenario].folder} {mode} runs, {of[mode]} and "
                f"{path.parent}; pass a folder that holds one of them."
            )
        of[mode] = path.parent
    if not found:
        raise InputError(f"{folder}: no {DETAIL} in it or below; pass the folder of LoadGen's logs.")
    return found


def _scenario_of(log: Path, issued: str | None, round_: Round) -> str | None:
    """Return the name of the round's scenario that a log belongs to, or None if no scenario matches."""
    alike = [rules for rules in round_.scenarios.values() if rules.loadgen_scenario == issued]
    named = {name: rules for rules in alike for name in (rules.name, rules.folder)}
    nearest = next((named[part] for part in reversed(log.parts) if part in named), None)
    chosen = nearest or next(iter(alike), None)
    return chosen.name if chosen else None


def _recorded(log: Path) -> bool:
    return log.with_name(RUN_RECORD).is_file()


def _evaluation(accuracy: Path | None) -> Evaluation | None:
    """Read the accuracy.json that `weighbridge evaluate` wrote into the run's folder or its parent."""
    if accuracy is None:
        return None
    places = (accuracy / ACCURACY_JSON, accuracy.parent / ACCURACY_JSON)
    return next((Evaluation.read(place) for place in places if place.is_file()), None)
