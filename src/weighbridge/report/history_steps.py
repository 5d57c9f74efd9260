"""What changed from each result to the next one of its kind: figures, and the settings that differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from weighbridge.history.change_words import by_importance, setting_words
from weighbridge.history.changes import Change, ChangeFinding
from weighbridge.history.history_values import change_text, measure_text, sourced_noise
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.series import SeriesPoint
from weighbridge.report.history_rows import place_names, result_title, time_text

_MOST_SETTINGS = 8


@dataclass(frozen=True)
class StepLine:
    """One figure, before and after."""

    measure: str
    before: str
    after: str
    change: str
    noise: str
    finding: ChangeFinding
    worse: bool
    """Whether it is worse, be it noise or not."""

    @property
    def sentence(self) -> str:
        """The figure in words, such as 'rate 48.3 samples/s, then 42.1 samples/s: -13 % (noise 3 %)'."""
        return f"{self.measure} {self.before}, then {self.after}: {self.change} (noise {self.noise})"


@dataclass(frozen=True)
class HistoryStep:
    """A result and the one before it."""

    title: str
    before: str
    after: str
    time: datetime
    newest: bool
    """Whether no later result of its kind exists."""
    lines: tuple[StepLine, ...]
    differences: tuple[str, ...]
    """Settings with their two values, and that the system is another one; empty: nothing recorded differs."""

    @property
    def regressed(self) -> tuple[StepLine, ...]:
        """The figures that are worse by more than their noise."""
        return tuple(line for line in self.lines if line.finding is ChangeFinding.REGRESSED)

    @property
    def doubtful(self) -> tuple[StepLine, ...]:
        """The figures that are worse, by nobody knows how much noise."""
        return tuple(line for line in self.lines if line.worse and line.finding is ChangeFinding.NOT_KNOWN)


def steps_of(changes: Sequence[Change]) -> list[HistoryStep]:
    """Return the steps, the newest first; all figures of two results are in one."""
    places = place_names([point.recorded.run_directory for each in changes for point in _ends(each)])
    groups: dict[tuple[Path, Path], list[Change]] = {}
    for each in changes:
        groups.setdefault((each.before.recorded.file, each.after.recorded.file), []).append(each)
    steps = [_step(group, places) for group in groups.values()]
    return sorted(steps, key=lambda step: step.time, reverse=True)


def _ends(change: Change) -> tuple[SeriesPoint, SeriesPoint]:
    return change.before, change.after


def _step(changes: Sequence[Change], places: Mapping[Path, str]) -> HistoryStep:
    first = changes[0]
    entry = first.after.recorded.entry
    return HistoryStep(
        title=result_title(entry),
        before=_named(first.before.recorded, places),
        after=_named(first.after.recorded, places),
        time=entry.time,
        newest=any(each.after is each.series.points[-1] for each in changes),
        lines=tuple(map(_line, changes)),
        differences=tuple(_differences(first)),
    )


def _named(recorded: RecordedEntry, places: Mapping[Path, str]) -> str:
    return f"{places[recorded.run_directory]}, {time_text(recorded.entry)}"


def _line(change: Change) -> StepLine:
    return StepLine(
        measure=change.after.measure.name,
        before=measure_text(change.before.measure, change.resolution),
        after=measure_text(change.after.measure, change.resolution),
        change=change_text(change),
        noise=sourced_noise(change),
        finding=change.finding,
        worse=change.is_worse,
    )


def _differences(change: Change) -> Iterator[str]:
    if change.other_system:
        yield "another system"
    settings = by_importance(change.settings)
    for each in settings[:_MOST_SETTINGS]:
        yield f"`{each.name}`: {setting_words(each)}"
    if len(settings) > _MOST_SETTINGS:
        yield f"and {len(settings) - _MOST_SETTINGS} more settings"
