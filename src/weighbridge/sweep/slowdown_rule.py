"""The rule of `compare --fail-if slower:5%`: which changes fail a pipeline, and the line that says so."""

from dataclasses import dataclass

from weighbridge.core.change_limits import ChangeLimits
from weighbridge.core.errors import InputError
from weighbridge.records.comparison import ComparisonResult
from weighbridge.records.sweep_change import ChangedRow, SweepChange

_SLOWER = (ComparisonResult.SLOWER, ComparisonResult.INDICATIVE_SLOWER)
_UNDECIDED = (ComparisonResult.INCONCLUSIVE, ComparisonResult.NOT_COMPARABLE)


@dataclass(frozen=True)
class SlowdownRule:
    """A slowdown fails if it is shown, and larger than a share.

    Attributes:
        share: Such as 0.05.
    """

    share: float

    @classmethod
    def parse(cls, text: str) -> "SlowdownRule":
        """Read a rule such as slower:5%.

        Raises:
            InputError: it is no such rule.
        """
        share = ChangeLimits.parse((text,)).slower
        if share is None:
            raise InputError(f"--fail-if: sweeps have no scores; pass slower: in place of {text!r}.")
        return cls(share)

    def breaks(self, row: ChangedRow) -> bool:
        """Return whether a row is slower, with its verdict, by more than the share."""
        return row.result in _SLOWER and row.speed_up is not None and row.speed_up.ratio < 1 - self.share

    def broken(self, change: SweepChange) -> str | None:
        """Return the sentence of a comparison that fails; None: it does not.

        A comparison fails too if no row could be compared, because it would pass whatever happened.
        """
        slower = sorted((row for row in change.rows if self.breaks(row)), key=_speed)
        if slower:
            return (
                f"{len(slower)} of {len(change.rows)} rows are slower by more than {100 * self.share:g} %, "
                f"the worst {described(slower[0])}"
            )
        if all(row.result is ComparisonResult.NOT_COMPARABLE for row in change.rows):
            return f"no row can be compared: {change.rows[0].reasons[0]}"
        return None


def described(row: ChangedRow) -> str:
    """Return a row's change in few words: B at chat, closed-8: 0.931 [0.912, 0.950] (slower)."""
    place = f"{row.system} at {row.workload}, {row.level}"
    if row.speed_up is None:
        return f"{place}: {row.result}"
    interval = f" [{row.speed_up.low:.3f}, {row.speed_up.high:.3f}]" if row.speed_up.low is not None else ""
    return f"{place}: {row.speed_up.ratio:.3f}{interval} ({row.result})"


def summary_of(change: SweepChange) -> str:
    """Return one line about all rows: how many have each verdict, and the lowest ratio."""
    counts = {result: sum(row.result is result for row in change.rows) for result in ComparisonResult}
    words = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    compared = [row for row in change.rows if row.speed_up is not None]
    lowest = f"; lowest {described(min(compared, key=_speed))}" if compared else ""
    undecided = any(counts[each] for each in _UNDECIDED)
    return f"{words}{lowest}" + ("; what is not decided is not shown to be as fast" if undecided else "")


def _speed(row: ChangedRow) -> float:
    return row.speed_up.ratio if row.speed_up else 1.0
