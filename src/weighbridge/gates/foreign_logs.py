"""Judge LoadGen logs from any source; scenario and mode are read from each detail log."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules, number_of_repeat
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.gates.closed_checks import NO_INPUTS, Inputs
from weighbridge.gates.judge import judge
from weighbridge.gates.log_places import LogPlace, are_of_a_tree
from weighbridge.gates.repeated_runs import repeats_beside
from weighbridge.gates.token_figures import TOKEN_LATENCIES
from weighbridge.loadgen.logs import DetailLog, read_detail
from weighbridge.records.run_record import DETAIL, REPLACED_FOLDER, RUN_RECORD
from weighbridge.records.score import ACCURACY_JSON, Evaluation
from weighbridge.records.search_record import PROBE
from weighbridge.records.verdict import Verdict

_MODES = {"PerformanceOnly": Mode.PERFORMANCE, "AccuracyOnly": Mode.ACCURACY}

# Scenario name -> mode -> folder of the run.
Runs = dict[str, dict[Mode, Path]]


@dataclass(frozen=True)
class FoundLogs:
    """The runs under a folder: those of each system by its name, and what is not judged, in words."""

    systems: dict[str, Runs] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class JudgedLogs:
    """The verdicts on each system by its name, and what was not judged, in words."""

    systems: dict[str, tuple[Verdict, ...]]
    skipped: tuple[str, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Return the verdicts on all systems."""
        return tuple(verdict for of in self.systems.values() for verdict in of)


def judge_logs(
    folder: Path, round_: Round, inputs: Inputs = NO_INPUTS, *, strict: bool = False
) -> JudgedLogs:
    """Judge every scenario of every system that has logs anywhere under a folder; the rest as for `judge`.

    Raises:
        InputError: there are no logs of the round's benchmark, two runs of one system, scenario and mode, or
            a log that cannot be read.
    """
    found = find_runs(folder, round_)
    systems = {
        system: tuple(_judged(runs, round_, inputs, strict=strict)) for system, runs in found.systems.items()
    }
    return JudgedLogs(systems, found.skipped)


def _judged(runs: Runs, round_: Round, inputs: Inputs, *, strict: bool) -> Iterator[Verdict]:
    for scenario, of in sorted(runs.items()):
        yield judge(
            performance=of.get(Mode.PERFORMANCE),
            accuracy=of.get(Mode.ACCURACY),
            evaluation=_evaluation(of.get(Mode.ACCURACY)),
            round_=round_,
            scenario=round_.scenarios[scenario],
            inputs=inputs.of_dataset(round_.scenarios[scenario].dataset),
            compliance=_compliance(of, round_.scenarios[scenario]),
            strict=strict,
            repeats=_repeats(of),
        )


def _repeats(of: Mapping[Mode, Path]) -> dict[str, Path]:
    """Return the repeats of a performance run that Weighbridge made, by their names."""
    performance = of.get(Mode.PERFORMANCE)
    return {} if performance is None else repeats_beside(performance)


def _compliance(of: Mapping[Mode, Path], scenario: ScenarioRules) -> dict[str, Path]:
    """Return the compliance runs that lie beside a scenario's ordinary ones, by their names."""
    # The nearest last: it is the one that counts.
    beside = [path for run in of.values() for path in (run.parent.parent, run.parent)]
    nearest_last = sorted(dict.fromkeys(beside), key=lambda path: len(path.parts))
    return {
        name: path / name
        for name in scenario.compliance_runs
        for path in nearest_last
        if (path / name).is_dir()
    }


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
    own, placed, skipped = _sorted_out(logs, folder, round_)
    for log in own:
        _add(systems.setdefault(folder.resolve().name, {}), log, folder, round_)
    known = dict(next(iter(systems.values()), {}))
    for log, system in placed:
        runs: Runs = {}
        _add(runs, log, folder, round_)
        [scenario] = runs
        ours = [*known.get(scenario, {}).values(), *_repeats(known.get(scenario, {})).values()]
        if not any(_same(run, log) for run in ours):
            _add(systems.setdefault(system, {}), log, folder, round_)
    if not systems:
        left = f" ({'; '.join(skipped)})" if skipped else ""
        raise InputError(
            f"{folder}: no {DETAIL} of {round_.folder} in it or below{left}; pass the folder of LoadGen's "
            "logs."
        )
    return FoundLogs(dict(sorted(systems.items())), (*skipped, *_other_repeats(logs, systems)))


def _other_repeats(logs: Iterable[Path], systems: Mapping[str, Runs]) -> tuple[str, ...]:
    """Return in words how many repeats measured otherwise than the run beside them, which are not judged."""
    judged = {repeat for runs in systems.values() for of in runs.values() for repeat in _repeats(of).values()}
    there = {log.parent for log in logs if _is_repeat(log)}
    left = len(there - judged)
    return (f"not judged: performance runs with other settings or rates, {_counted(left)}",) if left else ()


def _sorted_out(
    logs: Iterable[Path], folder: Path, round_: Round
) -> tuple[list[Path], list[tuple[Path, str]], tuple[str, ...]]:
    """Return logs outside of trees, logs in trees with the name of their system, and what else there is."""
    # Original run folders first: they hold run.json, which copies in a submission tree lack.
    logs = sorted(
        (path for path in logs if not _set_apart(path, folder, round_)),
        key=lambda path: (not _recorded(path), path),
    )
    places = {log: place for log in logs if (place := LogPlace.of(log, folder))}
    known = round_.tree_names
    if not are_of_a_tree(places.values(), known):
        places = {}
    # A submitter's code may come with logs too.
    submitters = {place.submitter for place in places.values()}
    beside = [log for log in logs if log not in places and not submitters.isdisjoint(log.resolve().parents)]
    ours = {log: place for log, place in places.items() if place.benchmark in known}
    others = sorted({place.benchmark for place in places.values()} - known)
    further = sum(not place.ordinary for place in ours.values())
    skipped = (
        *([f"not judged: logs of other benchmarks, {', '.join(others)}"] if others else []),
        *([f"not judged: compliance or further runs, {_counted(further)}"] if further else []),
        *([f"not judged: outside of results, {_counted(len(beside))}"] if beside else []),
    )
    return (
        [log for log in logs if log not in places and log not in beside],
        [(log, place.system) for log, place in ours.items() if place.ordinary],
        skipped,
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


def _counted(logs: int) -> str:
    return f"{logs} log{'s' if logs > 1 else ''}"


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


def _evaluation(accuracy: Path | None) -> Evaluation | None:
    """Read the accuracy.json that `weighbridge evaluate` wrote into the run's folder or its parent."""
    if accuracy is None:
        return None
    places = (accuracy / ACCURACY_JSON, accuracy.parent / ACCURACY_JSON)
    return next((Evaluation.read(place) for place in places if place.is_file()), None)
