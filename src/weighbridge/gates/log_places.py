"""Where logs lie in a submission tree: the names in their paths."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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
