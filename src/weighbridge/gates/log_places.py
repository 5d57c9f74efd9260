"""Where results lie: in a submission tree, by the names in their paths, or elsewhere, of one system."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from weighbridge.config.scenario_rules import Mode

# Scenario name -> mode -> folder of the run.
Runs = dict[str, dict[Mode, Path]]

_RESULTS = "results"
_TOLD_DIVISIONS = ("open", "network")  # a name without one is of the closed division
_RUNS = (("performance", "run_1"), ("accuracy",))
_SCENARIOS = ("offline", "server", "interactive", "singlestream", "multistream")


@dataclass(frozen=True)
class LogPlace:
    """The names in a path .../DIVISION/SUBMITTER/results/SYSTEM/BENCHMARK/SCENARIO/RUN.

    Attributes:
        system: The system's name with its submitter's, such as 'ACME/box', and 'open/' before that.
        benchmark: Name of the benchmark's folder.
        ordinary: Whether it is the run that the official checker reads, not a compliance run or a second one.
        inside: Whether the folder that was searched contains the folder `results`, or is it.
        submitter: The folder that contains `results`.
    """

    system: str
    benchmark: str
    ordinary: bool
    inside: bool
    submitter: Path

    @classmethod
    def of(cls, log: Path, folder: Path) -> Self | None:
        """Return the place of a log that was found in a folder; None if its path is not one of a tree."""
        root = folder.resolve()
        parts = (root / log.relative_to(folder)).parts[:-1]
        if _RESULTS not in parts:
            return None
        at = len(parts) - 1 - parts[::-1].index(_RESULTS)
        before, (system, benchmark, scenario, *run) = parts[:at], (*parts[at + 1 :], *[""] * 3)
        run = [name for name in run if name]
        if not run or scenario.casefold() not in _SCENARIOS:
            return None
        names = [*before[-1:], system]
        if before[-2:-1] and before[-2] in _TOLD_DIVISIONS:
            names.insert(0, before[-2])
        return cls(
            system="/".join(names),
            benchmark=benchmark,
            ordinary=tuple(run) in _RUNS,
            inside=at >= len(root.parts) - 1,
            submitter=Path(*before),
        )


def are_of_a_tree(places: Iterable[LogPlace], benchmarks: Collection[str]) -> bool:
    """Return whether the names in paths can be trusted: not if they only look like a tree's by chance."""
    return any(place.inside or place.benchmark in benchmarks for place in places)


@dataclass(frozen=True)
class FoundLogs:
    """The runs under a folder: those of each system by its name, and what is not judged, in words."""

    systems: dict[str, Runs] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class SortedLogs:
    """Logs outside of trees, logs in trees with their system's name, and what is not judged, in words."""

    own: tuple[Path, ...]
    placed: tuple[tuple[Path, str], ...]
    skipped: tuple[str, ...]


def sort_logs(logs: Sequence[Path], folder: Path, known: Collection[str]) -> SortedLogs:
    """Sort logs by where they lie.

    Args:
        logs: Paths of logs, original run folders first.
        folder: The folder that was searched.
        known: Names of the benchmark's folder in a tree; logs of other benchmarks are left out.
    """
    places = {log: place for log in logs if (place := LogPlace.of(log, folder))}
    if not are_of_a_tree(places.values(), known):
        places = {}
    # A submitter's code may come with logs too.
    submitters = {place.submitter for place in places.values()}
    beside = [log for log in logs if log not in places and not submitters.isdisjoint(log.resolve().parents)]
    ours = {log: place for log, place in places.items() if place.benchmark in known}
    others = sorted({place.benchmark for place in places.values()} - set(known))
    further = sum(not place.ordinary for place in ours.values())
    skipped = (
        *([f"not judged: logs of other benchmarks, {', '.join(others)}"] if others else []),
        *([f"not judged: compliance or further runs, {counted_logs(further)}"] if further else []),
        *([f"not judged: outside of results, {counted_logs(len(beside))}"] if beside else []),
    )
    return SortedLogs(
        tuple(log for log in logs if log not in places and log not in beside),
        tuple((log, place.system) for log, place in ours.items() if place.ordinary),
        skipped,
    )


def counted_logs(logs: int) -> str:
    """Return a number of logs in words."""
    return f"{logs} log{'s' if logs > 1 else ''}"
