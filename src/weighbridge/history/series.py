"""Series of a history: one measure of one kind of result over time, over all run directories."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weighbridge.history.read_history import RecordedEntry
from weighbridge.records.history_entry import HistoryKind, HistoryMeasure

INVALID = "INVALID"


@dataclass(frozen=True)
class SeriesPoint:
    """One value of a series.

    Attributes:
        recorded: The entry that it is of.
        measure: The value, with its interval where it has one.
    """

    recorded: RecordedEntry
    measure: HistoryMeasure

    @property
    def value(self) -> float:
        """The value."""
        return self.measure.value

    @property
    def measurement(self) -> str:
        """What it was measured by; where that is not known, its result: a copy is no repeat of either."""
        return self.measure.measured_by or self.recorded.entry.result_sha256

    @property
    def counts(self) -> bool:
        """Whether its result counts: what is INVALID is no measure for what comes later."""
        return self.recorded.entry.outcome != INVALID


@dataclass(frozen=True)
class Series:
    """One measure over time.

    Attributes:
        kind: Of result.
        benchmark: Its name.
        round: Of the benchmark; None: it has none.
        category: Of the round.
        name: Scenario, sweep, or quality benchmark.
        measure: Name of the measure.
        unit: Of its values; empty: none.
        aspect: Speed or score.
        better: Direction.
        points: In the order of time; a measurement that was judged again is there once, as judged last.
    """

    kind: HistoryKind
    benchmark: str
    round: str | None
    category: str | None
    name: str
    measure: str
    unit: str
    aspect: Literal["speed", "score"]
    better: Literal["higher", "lower"]
    points: tuple[SeriesPoint, ...]

    @property
    def title(self) -> str:
        """What it is of, such as 'server: latency p99'."""
        return f"{self.name}: {self.measure}"


def series_of(entries: Sequence[RecordedEntry]) -> tuple[Series, ...]:
    """Return the series of entries, in the order in which they first appear.

    Args:
        entries: In the order of time.
    """
    points: dict[tuple[str, ...], list[SeriesPoint]] = {}
    for recorded in entries:
        for measure in recorded.entry.measures:
            key = (*recorded.group, measure.name, measure.unit)
            points.setdefault(key, []).append(SeriesPoint(recorded, measure))
    return tuple(_series(of) for of in points.values())


def _series(points: Sequence[SeriesPoint]) -> Series:
    last = {point.measurement: number for number, point in enumerate(points)}
    kept = [point for number, point in enumerate(points) if last[point.measurement] == number]
    newest = points[-1]
    entry, measure = newest.recorded.entry, newest.measure
    return Series(
        kind=entry.kind,
        benchmark=entry.benchmark,
        round=entry.round,
        category=entry.category,
        name=entry.name,
        measure=measure.name,
        unit=measure.unit,
        aspect=measure.aspect,
        better=measure.better,
        points=tuple(kept),
    )
