"""What `history --json` prints: all entries, and the newest change of each series."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from weighbridge.core.models import Model
from weighbridge.history.changes import Change, ChangeFinding, NoiseSource, newest_changes
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.series import SeriesPoint, series_of
from weighbridge.records.history_entry import HistoryEntry, HistoryKind


class ListedEntry(Model):
    """An entry, and where it lies."""

    run_directory: str
    file: str
    entry: HistoryEntry


class ListedValue(Model):
    """A value of a series."""

    time: datetime
    run_directory: str
    value: float
    low: float | None
    high: float | None


class ListedSetting(Model):
    """A setting that differs; null: it is not set."""

    name: str
    before: str | None
    after: str | None


class ListedChange(Model):
    """The newest value of a series beside the one before it that counts."""

    kind: HistoryKind
    benchmark: str
    round: str | None
    category: str | None
    name: str
    measure: str
    unit: str
    aspect: Literal["speed", "score"]
    better: Literal["higher", "lower"]
    before: ListedValue
    after: ListedValue
    ratio: float | None = Field(description="After by before; null: before is 0.")
    noise: float | None = Field(description="Half of the change's 95 % interval, in `unit`; null: not known.")
    noise_source: NoiseSource | None
    finding: ChangeFinding
    settings: tuple[ListedSetting, ...]
    other_system: bool


class HistoryListing(Model):
    """All of a history."""

    schema_version: Literal[1] = 1
    entries: tuple[ListedEntry, ...]
    changes: tuple[ListedChange, ...]


def listing_of(shown: Sequence[RecordedEntry], entries: Sequence[RecordedEntry]) -> HistoryListing:
    """Return the listing.

    Args:
        shown: Entries to list.
        entries: Those that changes are looked for in.
    """
    return HistoryListing(
        entries=tuple(
            ListedEntry(run_directory=str(each.run_directory), file=str(each.file), entry=each.entry)
            for each in shown
        ),
        changes=tuple(map(_listed, newest_changes(series_of(entries)))),
    )


def _listed(change: Change) -> ListedChange:
    entry, measure, noise = change.series.newest, change.series.measure, change.noise
    return ListedChange(
        kind=entry.kind,
        benchmark=entry.benchmark,
        round=entry.round,
        category=entry.category,
        name=entry.name,
        measure=measure.name,
        unit=measure.unit,
        aspect=measure.aspect,
        better=measure.better,
        before=_value(change.before),
        after=_value(change.after),
        ratio=change.ratio,
        noise=None if noise is None else noise.half_width,
        noise_source=None if noise is None else noise.source,
        finding=change.finding,
        settings=tuple(
            ListedSetting(name=each.name, before=each.before, after=each.after) for each in change.settings
        ),
        other_system=change.other_system,
    )


def _value(point: SeriesPoint) -> ListedValue:
    return ListedValue(
        time=point.recorded.entry.time,
        run_directory=str(point.recorded.run_directory),
        value=point.value,
        low=point.measure.low,
        high=point.measure.high,
    )
