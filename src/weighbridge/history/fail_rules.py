"""The rules of `history --fail-if`: which newest results fail a pipeline.

The newest result of each kind and name is judged beside the last one before it that counts. What cannot be
judged has not passed: a result that is INVALID, a figure that is not measured any more, a result that has no
entry, or nothing to judge.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from weighbridge.core.change_limits import ChangeLimits
from weighbridge.core.files import sha256_of
from weighbridge.history.change_words import change_words
from weighbridge.history.changes import Change, ChangeFinding, newest_changes
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.series import INVALID, series_of
from weighbridge.records.history_entry import HistoryMeasure

_PERCENT_SCALE = 100
_MOST_SENTENCES = 3


@dataclass(frozen=True)
class JudgedHistory:
    """What rules find.

    Attributes:
        compared: Number of figures that have one before them.
        broken: A sentence for each that fails, without its full stop.
    """

    compared: int
    broken: tuple[str, ...]

    @property
    def failure(self) -> str | None:
        """The sentence with which a command fails; None: it does not."""
        if self.broken:
            more = len(self.broken) - _MOST_SENTENCES
            return f"{'; '.join(self.broken[:_MOST_SENTENCES])}{f'; and {more} more' if more > 0 else ''}."
        if not self.compared:
            return (
                "--fail-if: no result has one before it to be compared with, so nothing is shown to be as "
                "good; measure again, or name more run directories."
            )
        return None


def judge_history(entries: Sequence[RecordedEntry], limits: ChangeLimits) -> JudgedHistory:
    """Judge the newest entries.

    Args:
        entries: In the order of time.
        limits: What a change must exceed to fail.
    """
    groups: dict[tuple[str, ...], list[RecordedEntry]] = {}
    for recorded in entries:
        groups.setdefault(recorded.group, []).append(recorded)
    compared, broken = 0, []
    for group in groups.values():
        changes = [
            change
            for change in newest_changes(series_of(group))
            if change.after.recorded is group[-1] and _judged(change.after.measure, limits)
        ]
        compared += len(changes)
        broken += [
            f"{_kind_of_loss(change)} than allowed: {change_words(change)}"
            for change in changes
            if _exceeds(change, limits) and change.finding is not ChangeFinding.WITHIN_NOISE
        ]
        broken += _not_judged(group, limits)
        broken += _not_recorded(group)
    return JudgedHistory(compared, tuple(broken))


def _exceeds(change: Change, limits: ChangeLimits) -> bool:
    """Return whether a change for the worse is larger than its limit, be it noise or not."""
    if not change.is_worse:
        return False
    if change.series.measure.aspect == "score":
        return limits.too_bad(abs(change.difference) / _scale(change))
    old, new = change.before.value, change.after.value
    fast, slow = (old, new) if change.series.measure.better == "higher" else (new, old)
    return limits.too_slow(slow / fast if fast else 1.0)


def _scale(change: Change) -> float:
    """Return what of a score is one hundred percentage points: 1 or 100; of counts, the value before."""
    largest = max(abs(change.before.value), abs(change.after.value))
    if largest <= 1:
        return 1
    return _PERCENT_SCALE if largest <= _PERCENT_SCALE else abs(change.before.value) or 1


def _not_judged(group: Sequence[RecordedEntry], limits: ChangeLimits) -> Iterator[str]:
    """Yield why the newest entry of a group cannot be judged, or some figure of it."""
    newest = group[-1]
    what = f"{newest.entry.name} ({newest.run_directory})"
    if newest.entry.outcome == INVALID:
        yield f"{what}: the newest result is INVALID and does not count"
    before = next((each for each in reversed(group[:-1]) if each.entry.outcome != INVALID), None)
    if before is None:
        return
    known = {measure.name for measure in newest.entry.measures}
    gone = [each for each in before.entry.measures if each.name not in known and _judged(each, limits)]
    if gone:
        names = ", ".join(measure.name for measure in gone)
        yield f"{what}: the newest result has no {names} any more"


def _not_recorded(group: Sequence[RecordedEntry]) -> Iterator[str]:
    """Yield which result files of a group have changed since and have no entry, such as after a full disk."""
    known = {recorded.entry.result_sha256 for recorded in group}
    files = {recorded.run_directory / recorded.entry.where: recorded.file.parent for recorded in group}
    for file, history in files.items():
        if file.is_file() and sha256_of(file) not in known:
            yield f"{file} has no entry; record it with `weighbridge history add {file} --history {history}`"


def _judged(measure: HistoryMeasure, limits: ChangeLimits) -> bool:
    return (limits.worse if measure.aspect == "score" else limits.slower) is not None


def _kind_of_loss(change: Change) -> str:
    return "worse" if change.series.measure.aspect == "score" else "slower"
