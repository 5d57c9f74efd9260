"""Compare two recorded sweeps: the same systems at different times, so their blocks are no pairs.

What a machine does differently today reads as a change of the system. Therefore a verdict is indicative,
unless both sweeps hold an anchor, a system that is the same in both: then each sweep pairs the system with
its anchor by block, and the change is the ratio of the two ratios, from which the machine's share has gone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM
from weighbridge.core.errors import InputError
from weighbridge.records.comparison import (
    ComparedCell,
    ComparisonResult,
    SweepComparison,
    SystemFigures,
    lower_is_better,
)
from weighbridge.records.sweep_change import ChangedRow, SweepChange
from weighbridge.sweep.statistics import LogRatio, PairedRatio, UnpairedRatio, holm, result_of

_INDICATIVE = {
    ComparisonResult.FASTER: ComparisonResult.INDICATIVE_FASTER,
    ComparisonResult.SLOWER: ComparisonResult.INDICATIVE_SLOWER,
    ComparisonResult.SAME: ComparisonResult.INDICATIVE_SAME,
}
_FOREIGN_RATE = "qps_whole_run"  # what other tools call requests/s


@dataclass(frozen=True)
class RecordedSweep:
    """A comparison.json, or another tool's results in its form.

    Attributes:
        origin: Its path, for messages.
        comparison: What it holds.
        foreign: Whether another tool measured it, with a window of its own definition.
    """

    origin: str
    comparison: SweepComparison
    foreign: bool = False

    @property
    def systems(self) -> list[str]:
        """Names of its systems, the baseline first, without the baseline's copy."""
        measured = dict.fromkeys(name for cell in self.comparison.cells for name in cell.systems)
        names = [name for name in measured if name != NOISE_FLOOR_SYSTEM]
        return sorted(names, key=lambda name: name != self.comparison.baseline)

    def identity(self, system: str) -> str | None:
        """Return the digest of what a system is; None: not known."""
        described = self.comparison.systems.get(system)
        return described.identity if described and not self.foreign else None


@dataclass(frozen=True)
class _Change:
    row: ChangedRow
    ratio: LogRatio | None


def compare_sweeps(
    old: RecordedSweep, new: RecordedSweep, *, margin: float | None = None, force: bool = False
) -> SweepChange:
    """Return what has changed from one sweep to another.

    Args:
        old: The earlier one.
        new: The later one.
        margin: The share within which a change counts as none; default: the smaller one of the sweeps.
        force: Compare sweeps of other requests or phases too; the result says so.

    Raises:
        InputError: they have no system, workload and load in common, or differ in requests or phases.
    """
    cells = list(_common_cells(old, new))
    if not cells:
        raise InputError(f"{old.origin} and {new.origin}: have no workload and load in common.")
    differences = list(_differences(old, new, cells))
    if differences and not force:
        raise InputError(
            f"{new.origin}: {differences[0]} than {old.origin}, so a change would be no system's; measure "
            f"it with `--like {old.origin}`, or pass --force."
        )
    bound = min(old.comparison.equivalence, new.comparison.equivalence) if margin is None else margin
    anchor = None if differences else _anchor(old, new)
    pairs = _common_systems(old, new, anchor)
    changes = [
        change
        for before, after in cells
        for names in pairs
        if (change := _change(old, new, before, after, names, anchor)) is not None
    ]
    if not changes:
        raise InputError(f"{old.origin} and {new.origin}: have no system in common; name them alike.")
    return SweepChange(
        old=old.origin,
        new=new.origin,
        anchor=anchor,
        margin=bound,
        rows=tuple(_judged(changes, bound, anchored=anchor is not None)),
        warnings=(
            *(f"Compared by force: {new.origin} has {each}." for each in differences),
            *_warnings(old, new, anchor),
        ),
    )


def _common_cells(old: RecordedSweep, new: RecordedSweep) -> Iterator[tuple[ComparedCell, ComparedCell]]:
    foreign = old.foreign or new.foreign
    for before in old.comparison.cells:
        same = [cell for cell in new.comparison.cells if cell.level == before.level]
        # Another tool's results do not name a workload.
        named = [cell for cell in same if cell.workload == before.workload]
        yield from ((before, cell) for cell in named or (same if foreign and len(same) == 1 else []))


def _differences(
    old: RecordedSweep, new: RecordedSweep, cells: Sequence[tuple[ComparedCell, ComparedCell]]
) -> Iterator[str]:
    """Yield what is not the same work in both."""
    if old.foreign != new.foreign:
        yield "another tool's window and unknown requests, other"
    for before, after in dict.fromkeys((before.workload, after.workload) for before, after in cells):
        digests = (old.comparison.workloads[before].digest, new.comparison.workloads[after].digest)
        if digests[0] != digests[1]:
            yield f"other requests of workload {after}"
    if old.comparison.phase_plan != new.comparison.phase_plan:
        yield "other numbers of conversations, or other loads,"


def _anchor(old: RecordedSweep, new: RecordedSweep) -> str | None:
    """Return the system that is the same in both, where there are others to be compared by it."""
    same = [name for name in new.systems if name in old.systems and old.identity(name) == new.identity(name)]
    known = [name for name in same if new.identity(name)]
    return known[0] if known and min(len(old.systems), len(new.systems)) > 1 else None


def _common_systems(old: RecordedSweep, new: RecordedSweep, anchor: str | None) -> list[tuple[str, str]]:
    """Return names of the same system in both; single ones that are left over belong together."""
    common = [(name, name) for name in new.systems if name in old.systems and name != anchor]
    left = [[name for name in side.systems if name != anchor] for side in (old, new)]
    return common or ([(left[0][0], left[1][0])] if len(left[0]) == len(left[1]) == 1 else [])


def _change(
    old: RecordedSweep,
    new: RecordedSweep,
    before: ComparedCell,
    after: ComparedCell,
    names: tuple[str, str],
    anchor: str | None,
) -> _Change | None:
    """Return one system's change in one cell, not judged yet; None: it was not measured there."""
    if names[0] not in before.systems or names[1] not in after.systems:
        return None
    sides = (before.systems[names[0]], after.systems[names[1]])
    anchors = (before.systems.get(anchor), after.systems.get(anchor)) if anchor else ()
    metric = _metric(after, sides)
    # Between another tool and ours, the rate that both define alike.
    keys = tuple(
        _FOREIGN_RATE if metric == "qps" and old.foreign != new.foreign and not side.foreign else metric
        for side in (old, new)
    )
    sign = -1 if lower_is_better(metric) else 1
    reasons = list(_reasons(metric, [*zip((old, new) * 2, (*sides, *anchors), strict=False)]))
    ratio = machine = None
    if not reasons:
        try:
            logs = [_logs(side, key, sign) for side, key in zip(sides, keys, strict=True)]
            if anchors:
                by = [_logs(side, metric, sign) for side in anchors if side is not None]
                ratio = UnpairedRatio.of(*(_by_anchor(log, base) for log, base in zip(logs, by, strict=True)))
                machine = math.exp(UnpairedRatio.of(*(_summed(log) for log in by)).mean)
            else:
                ratio = UnpairedRatio.of(*(_summed(log) for log in logs))
        except ValueError as error:
            reasons = [f"{metric}: {error}"]
    row = ChangedRow(
        workload=after.workload,
        level=after.level,
        system=names[1],
        before=names[0],
        metric=metric,
        speed_up=None,
        machine=machine,
        result=ComparisonResult.NOT_COMPARABLE,
        reasons=tuple(reasons),
    )
    return _Change(row, ratio)


def _metric(cell: ComparedCell, sides: Sequence[SystemFigures]) -> str:
    """Return what a verdict is by, as in a sweep's own table."""
    if not cell.open:
        return "qps"
    for metric in ("goodput", "e2e.p99"):
        if all(len(side.per_block.get(metric, ())) >= len(side.per_block.get("qps", ())) for side in sides):
            return metric
    return "e2e.p90"


def _reasons(metric: str, sides: Sequence[tuple[RecordedSweep, SystemFigures | None]]) -> Iterator[str]:
    for sweep, figures in sides:
        if figures is None:
            yield f"{sweep.origin}: the anchor was not measured at this load"
        elif figures.refused:
            check = figures.refused[0]
            yield f"{sweep.origin}, {check.run}: {check.wording}"
        elif figures.overloaded and lower_is_better(metric):
            yield f"{sweep.origin}: it was overloaded at this load; choose a lower one"


def _logs(figures: SystemFigures, metric: str, sign: int) -> dict[str, float]:
    # What the client disturbed is left out, as in the sweep's own table.
    found = figures.per_block.get(metric, {})
    values = {block: value for block, value in found.items() if block not in figures.disturbed}
    if not values or min(values.values()) <= 0:
        raise ValueError("it is missing, or 0, in a block")
    return {block: sign * math.log(value) for block, value in values.items()}


def _summed(logs: Mapping[str, float]) -> PairedRatio:
    return PairedRatio.of_logs([*logs.values()])


def _by_anchor(logs: Mapping[str, float], anchor: Mapping[str, float]) -> PairedRatio:
    pairs = [logs[block] - anchor[block] for block in logs if block in anchor]
    if not pairs:
        raise ValueError("no block has both the system and its anchor")
    return PairedRatio.of_logs(pairs)


def _judged(changes: Sequence[_Change], margin: float, *, anchored: bool) -> Iterator[ChangedRow]:
    """Yield the rows with their verdicts; all share one error rate."""
    tested = [index for index, change in enumerate(changes) if change.ratio and change.ratio.p is not None]
    p_values = [p for index in tested if (found := changes[index].ratio) and (p := found.p) is not None]
    adjusted = dict(zip(tested, holm(p_values), strict=True))
    for index, change in enumerate(changes):
        if change.ratio is None:
            yield change.row
            continue
        result = result_of(change.ratio, adjusted.get(index), margin, lower_is_better=False)
        yield change.row.model_copy(
            update={
                "speed_up": change.ratio.record(adjusted.get(index)),
                "result": result if anchored else _INDICATIVE.get(result, result),
            }
        )


def _warnings(old: RecordedSweep, new: RecordedSweep, anchor: str | None) -> Iterator[str]:
    described = new.comparison.systems.get(anchor) if anchor else None
    if described and described.attached and described.version is None:
        yield f"{anchor} reports no version: that it is the same in both sweeps rests on its address alone."
    yield from (
        f"{sweep.origin} was measured by another tool, whose window holds ramp and drain."
        for sweep in (old, new)
        if sweep.foreign
    )
    if old.comparison.hosts != new.comparison.hosts and not (old.foreign or new.foreign):
        yield f"Measured on {', '.join(old.comparison.hosts)} and on {', '.join(new.comparison.hosts)}."
