"""Series of a history: one measure of one kind of result over time, over all run directories."""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.history.read_history import RecordedEntry
from weighbridge.records.history_entry import HistoryEntry, HistoryMeasure

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
    """One measure of one kind of result over time.

    Attributes:
        points: In the order of time; a measurement that was judged again is there once, as judged last.
    """

    points: tuple[SeriesPoint, ...]

    @property
    def newest(self) -> HistoryEntry:
        """The newest entry, whose kind, benchmark, round, category and name are those of all."""
        return self.points[-1].recorded.entry

    @property
    def measure(self) -> HistoryMeasure:
        """The newest figure, whose name, unit, aspect and direction are those of all."""
        return self.points[-1].measure

    @property
    def title(self) -> str:
        """What it is of, such as 'server: latency p99'."""
        return f"{self.newest.name}: {self.measure.name}"


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
    return tuple(Series(_as_judged_last(of)) for of in points.values())


def _as_judged_last(points: Sequence[SeriesPoint]) -> tuple[SeriesPoint, ...]:
    last = {point.measurement: number for number, point in enumerate(points)}
    return tuple(point for number, point in enumerate(points) if last[point.measurement] == number)
