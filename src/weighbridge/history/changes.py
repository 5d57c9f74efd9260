"""What changed from one result to the next, and whether it is more than noise.

The noise of a change is the half-width of its 95 % interval: those of its two values, squared and added (Zou
and Donner, Statistics in Medicine 27, 2008). A value has its own interval, or else that of repeats: earlier
results of the same system and settings, whose relative standard deviations are pooled (Student's t). Without
either the noise is not known, and nothing is said of whether the change is real.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from weighbridge.history.repeats import Repeats
from weighbridge.history.series import Series, SeriesPoint


class ChangeFinding(StrEnum):
    """What is found of a change."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    WITHIN_NOISE = "within noise"
    NOT_KNOWN = "not known"
    """The noise is not known; or the newer result is INVALID, so that being better does not count."""


class NoiseSource(StrEnum):
    """What the noise of a change is known from."""

    INTERVALS = "both intervals"
    REPEATS = "repeats"
    """Of a value that has no interval of its own, or of both."""


@dataclass(frozen=True)
class ChangeNoise:
    """How much a measure changes if nothing does.

    Attributes:
        half_width: Of the change's 95 % interval, in the measure's unit.
        source: What it is known from.
        repeats: How many results, where it is from those.
    """

    half_width: float
    source: NoiseSource
    repeats: int = 0


@dataclass(frozen=True)
class ChangedSetting:
    """A setting that differs.

    Attributes:
        name: Such as server.args.--max-num-seqs.
        before: Its earlier value; None: it was not set.
        after: Its later value; None: it is not set any more.
    """

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """A value beside the one before it that counts.

    Attributes:
        series: What is measured.
        before: The earlier value.
        after: The later value.
        noise: None: not known.
    """

    series: Series
    before: SeriesPoint
    after: SeriesPoint
    noise: ChangeNoise | None

    @property
    def difference(self) -> float:
        """After less before, in the measure's unit."""
        return self.after.value - self.before.value

    @property
    def ratio(self) -> float | None:
        """After by before; None: before is 0."""
        return self.after.value / self.before.value if self.before.value else None

    @property
    def noise_share(self) -> float | None:
        """The noise as a share of the value before; None: not known."""
        if self.noise is None or not self.before.value:
            return None
        return self.noise.half_width / abs(self.before.value)

    @property
    def resolution(self) -> float:
        """What its figures are rounded by: the noise; where that is 0, the difference; 0: not known."""
        return 0.0 if self.noise is None else self.noise.half_width or abs(self.difference)

    @property
    def is_worse(self) -> bool:
        """Whether the later value is worse, be it noise or not."""
        return self.difference < 0 if self.series.measure.better == "higher" else self.difference > 0

    @property
    def finding(self) -> ChangeFinding:
        """What is found of it."""
        if self.difference == 0:
            return ChangeFinding.WITHIN_NOISE
        if self.noise is None:
            return ChangeFinding.NOT_KNOWN
        if abs(self.difference) <= self.noise.half_width:
            return ChangeFinding.WITHIN_NOISE
        if self.is_worse:
            return ChangeFinding.REGRESSED
        return ChangeFinding.IMPROVED if self.after.counts else ChangeFinding.NOT_KNOWN

    @cached_property
    def settings(self) -> tuple[ChangedSetting, ...]:
        """The settings that differ, by name."""
        old, new = self.before.recorded.entry.settings, self.after.recorded.entry.settings
        return tuple(
            ChangedSetting(name, old.get(name), new.get(name))
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        )

    @property
    def other_system(self) -> bool:
        """Whether another system was measured: model, server, its arguments or hardware."""
        before, after = (point.recorded.entry.system for point in (self.before, self.after))
        return before.fingerprint != after.fingerprint


def changes_of(series: Series) -> tuple[Change, ...]:
    """Return the change at each point of a series but the first, beside the last one before that counts."""
    found: list[Change] = []
    repeats = Repeats()
    before: SeriesPoint | None = None
    for after in series.points:
        if before is not None:
            found.append(Change(series, before, after, _noise(before, after, repeats)))
        # Only now is it a repeat: what a regression did must not count as its own noise.
        repeats.add(after)
        before = after if after.counts else before
    return tuple(found)


def newest_changes(all_series: Sequence[Series]) -> tuple[Change, ...]:
    """Return the change at the newest point of each series that has one to compare it with."""
    return tuple(changes[-1] for changes in map(changes_of, all_series) if changes)


def _noise(before: SeriesPoint, after: SeriesPoint, repeats: Repeats) -> ChangeNoise | None:
    """Return the noise of a change; None: it is not known."""
    rises = after.value > before.value
    # The ends of both intervals that lie towards each other.
    end_of_after = after.measure.low if rises else after.measure.high
    end_of_before = before.measure.high if rises else before.measure.low
    widths = [
        abs(point.value - end)
        for point, end in ((after, end_of_after), (before, end_of_before))
        if end is not None
    ]
    if len(widths) == len((before, after)):
        return ChangeNoise(math.hypot(*widths), NoiseSource.INTERVALS)
    repeated = repeats.half_width()
    if repeated is None:
        return None
    share, count = repeated
    # Of each value without an interval; if nothing has changed, it is as large as the one before.
    widths += [share * abs(before.value)] * (2 - len(widths))
    return ChangeNoise(math.hypot(*widths), NoiseSource.REPEATS, count)
