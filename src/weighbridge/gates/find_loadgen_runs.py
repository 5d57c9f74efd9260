"""Find runs by LoadGen's logs; scenario and mode are read from each detail log."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules, number_of_repeat
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.gates.log_places import FoundLogs, Runs, counted_logs, sort_logs
from weighbridge.gates.repeated_runs import repeats_beside
from weighbridge.gates.token_figures import TOKEN_LATENCIES
from weighbridge.loadgen.logs import DetailLog, read_detail
from weighbridge.records.run_record import DETAIL, REPLACED_FOLDER, RUN_RECORD
from weighbridge.records.search_record import PROBE

_MODES = {"PerformanceOnly": Mode.PERFORMANCE, "AccuracyOnly": Mode.ACCURACY}


def find_runs(folder: Path, round_: Round) -> FoundLogs:
    """Find the runs under a folder, identified by their detail logs.

    In a submission tree, or a part of one, the names of system and benchmark come from the path; logs of
    other benchmarks are left out. Logs elsewhere are those of one system. A log names only LoadGen's
    scenario. If several scenarios of the round use the same LoadGen scenario, the one named by the innermost
    folder of the log's path is chosen.

    Raises:
        InputError: as in `judge_logs`.
    """
    if not folder.is_dir():
        said = "is not a folder; unpack an archive first" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {said}; pass the folder of LoadGen's logs.")
    systems: dict[str, Runs] = {}
    logs = list(folder.rglob(DETAIL))
    # Original run folders first: they hold run.json, which copies in a submission tree lack.
    judged = sorted(
        (path for path in logs if not _set_apart(path, folder, round_)),
        key=lambda path: (not _recorded(path), path),
    )
    found = sort_logs(judged, folder, round_.tree_names)
    skipped = found.skipped
    for log in found.own:
        _add(systems.setdefault(folder.resolve().name, {}), log, folder, round_)
    known = dict(next(iter(systems.values()), {}))
    for log, system in found.placed:
        runs: Runs = {}
        _add(runs, log, folder, round_)
        [scenario] = runs
        ours = [*known.get(scenario, {}).values(), *repeats_of_runs(known.get(scenario, {})).values()]
        if not any(_same(run, log) for run in ours):
            _add(systems.setdefault(system, {}), log, folder, round_)
    if not systems:
        left = f" ({'; '.join(skipped)})" if skipped else ""
        raise InputError(
            f"{folder}: no {DETAIL} of {round_.folder} in it or below{left}; pass the folder of LoadGen's "
            "logs, or name a round whose evidence is the official client's results."
        )
    return FoundLogs(dict(sorted(systems.items())), (*skipped, *_other_repeats(logs, systems)))


def repeats_of_runs(of: Mapping[Mode, Path]) -> dict[str, Path]:
    """Return the repeats of a performance run that Weighbridge made, by their names."""
    performance = of.get(Mode.PERFORMANCE)
    return {} if performance is None else repeats_beside(performance)


def _other_repeats(logs: Iterable[Path], systems: Mapping[str, Runs]) -> tuple[str, ...]:
    """Return in words how many repeats measured otherwise than the run beside them, which are not judged."""
    judged = {
        repeat for runs in systems.values() for of in runs.values() for repeat in repeats_of_runs(of).values()
    }
    there = {log.parent for log in logs if _is_repeat(log)}
    left = len(there - judged)
    return (
        (f"not judged: performance runs with other settings or rates, {counted_logs(left)}",) if left else ()
    )


def _set_apart(log: Path, folder: Path, round_: Round) -> bool:
    """Return whether a log is no ordinary run: of a replaced one, a compliance test, a repeat, a probe.

    Compliance runs and repeats are judged beside the ordinary ones.
    """
    if _is_repeat(log):
        return True
    tests = {name for rules in round_.scenarios.values() for name in rules.compliance_runs}
    if not {REPLACED_FOLDER, *tests}.isdisjoint(log.relative_to(folder).parts):
        return True
    return log.parent != folder and log.with_name(PROBE).is_file()


def _is_repeat(log: Path) -> bool:
    """Return whether a log is of a repeat beside a performance run that Weighbridge made."""
    first = log.parent.parent / Mode.PERFORMANCE
    return number_of_repeat(log.parent.name) is not None and (first / RUN_RECORD).is_file()


def _add(runs: Runs, path: Path, folder: Path, round_: Round) -> None:
    """Add a log to the runs of its system; a copy of one that is there already counts once."""
    log = read_detail(path)
    issued, test_mode = log.text("effective_scenario"), log.text("effective_test_mode")
    mode = _MODES.get(test_mode or "")
    scenario = _scenario_of(path, log, round_)
    if mode is None or scenario is None:
        known = ", ".join(rules.folder for rules in round_.scenarios.values())
        raise InputError(
            f"{path}: scenario {issued}, mode {test_mode}; only performance and accuracy runs of {known} can "
            "be judged."
        )
    of = runs.setdefault(scenario, {})
    if mode not in of:
        of[mode] = path.parent
    elif not _same(of[mode], path):
        raise InputError(
            f"{folder}: two {round_.scenarios[scenario].folder} {mode} runs, {of[mode]} and {path.parent}; "
            "pass a folder that holds one of them."
        )


def _same(run: Path, log: Path) -> bool:
    """Return whether a log is that of a run, or a copy of it, such as the one in a submission tree."""
    return sha256_of(run / DETAIL) == sha256_of(log)


def _scenario_of(path: Path, log: DetailLog, round_: Round) -> str | None:
    """Return the name of the round's scenario that a log belongs to, or None if no scenario matches.

    Where no folder names one of several that LoadGen calls alike, the limits that it was told do.
    """
    issued = log.text("effective_scenario")
    alike = [rules for rules in round_.scenarios.values() if rules.loadgen_scenario == issued]
    named = {name: rules for rules in alike for name in (rules.name, rules.folder)}
    nearest = next((named[part] for part in reversed(path.parts) if part in named), None)
    limited = next((rules for rules in alike if _was_told(log, rules)), None)
    chosen = nearest or limited or next(iter(alike), None)
    return chosen.name if chosen else None


def _was_told(log: DetailLog, rules: ScenarioRules) -> bool:
    """Return whether LoadGen was told all token limits of a scenario, which has one."""
    limits = [(latency, limit) for latency in TOKEN_LATENCIES if (limit := latency.limit_of(rules))]
    return bool(limits) and all(
        log.number(latency.setting_key) == round(limit.limit_s * 1e9) for latency, limit in limits
    )


def _recorded(log: Path) -> bool:
    return log.with_name(RUN_RECORD).is_file()
