"""What a system can do with a workload over all loads: capacity, knee, and capacity within objectives."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.optimize import isotonic_regression

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM, SweepSettings
from weighbridge.records.comparison import (
    Capacity,
    ComparisonResult,
    ComparisonRow,
    Interval,
    Ratio,
    SystemFigures,
)
from weighbridge.records.slo_capacity import GOOD_SHARE
from weighbridge.sweep.statistics import PairedRatio, mean_of

KNEE = 0.95
"""Share of the capacity that the knee reaches."""

Tables = Mapping[tuple[str, str], Mapping[str, SystemFigures]]
"""Figures of each system by workload and name of the load."""
Values = Mapping[str, float]
"""One value a block."""


def capacities_of(
    settings: SweepSettings,
    tables: Tables,
    levels: Mapping[tuple[str, str], LoadLevel],
    rows: Sequence[ComparisonRow],
) -> Iterator[Capacity]:
    """Yield the capacities of each system with each workload; runs with a refused check count for nothing.

    Args:
        settings: The sweep.
        tables: Figures of each system by workload and load.
        levels: The load of each.
        rows: The rows with their verdicts. No ratio is given where a closed load, or all open ones, cannot be
            compared: one open load may be too high for any request to be good.
    """
    outcomes: dict[tuple[str, str, bool], list[bool]] = {}
    for row in rows:
        place = row.workload, row.system, levels[row.workload, row.level].open
        outcomes.setdefault(place, []).append(row.result is not ComparisonResult.NOT_COMPARABLE)
    for workload in (each.name for each in settings.workloads):
        found: dict[str, tuple[Capacity, Values, Values]] = {}
        for name in settings.systems:
            points = [
                (levels[key], systems[name])
                for key, systems in tables.items()
                if key[0] == workload and name in systems and not systems[name].refused
            ]
            found[name] = _capacity(name, workload, points)
        _, closed_baseline, open_baseline = found[settings.reference]
        for name, (capacity, closed, open_) in found.items():
            if capacity.capacity is None and capacity.slo_capacity is None:
                continue
            compared = name not in (settings.reference, NOISE_FLOOR_SYSTEM)
            ratios = {
                key: _ratio(*values)
                if compared and enough(outcomes.get((workload, name, kind), []))
                else None
                for key, kind, enough, values in (
                    ("capacity_ratio", False, all, (closed_baseline, closed)),
                    ("slo_capacity_ratio", True, any, (open_baseline, open_)),
                )
            }
            yield capacity.model_copy(update=ratios)


def _capacity(
    system: str, workload: str, points: Sequence[tuple[LoadLevel, SystemFigures]]
) -> tuple[Capacity, Values, Values]:
    """Return a system's capacities, and their values by block."""
    closed = sorted(
        ((level.closed, level.name, figures) for level, figures in points if level.closed is not None),
        key=lambda point: point[0],
    )
    best: Values = {}
    interval, knee = None, None
    means = {name: figures.figures["qps"].mean for _, name, figures in closed if "qps" in figures.figures}
    if means:
        top = max(means, key=means.__getitem__)
        [figures] = [figures for _, name, figures in closed if name == top]
        interval, best = figures.figures["qps"], figures.usable("qps")
        knee = next(name for name, mean in means.items() if mean >= KNEE * interval.mean)
    good, at_least = slo_capacity([figures for level, figures in points if level.open and level.ramp is None])
    within: Interval | None = mean_of([*good.values()]) if good else None
    record = Capacity(
        system=system,
        workload=workload,
        capacity=interval,
        knee=knee,
        slo_capacity=within,
        slo_capacity_at_least=at_least,
    )
    return record, best, good


def slo_capacity(levels: Sequence[SystemFigures]) -> tuple[dict[str, float], bool]:
    """Return, by block, the largest offered rate of which 99 % of the requests meet every objective.

    The share is made to fall with the rate by isotonic regression, and is linear between two rates.

    Args:
        levels: Figures of each open load.

    Returns:
        The rates, of blocks in which all loads were measured and the lowest one is good enough; and whether
        the highest one is good enough in each of them, so that the capacity may be larger.
    """
    shares = [each.usable("goodput_share") for each in levels]
    offered = [each.usable("offered_qps") for each in levels]
    sides = [side for side in (*shares, *offered) if side]
    if not sides or not all(shares):
        return {}, False
    blocks = [block for block in sides[0] if all(block in side for side in sides)]
    found = {
        block: _crossing([each[block] for each in offered], [each[block] for each in shares])
        for block in blocks
        if all(block in side for side in (*shares, *offered))
    }
    good = {block: rate for block, (rate, _) in found.items() if rate is not None}
    return good, bool(found) and all(at_least for _, at_least in found.values())


def _crossing(offered: Sequence[float], shares: Sequence[float]) -> tuple[float | None, bool]:
    order = np.argsort(offered, kind="stable")
    rates = np.asarray(offered, dtype=np.float64)[order]
    fit = np.asarray(isotonic_regression(np.asarray(shares)[order], increasing=False).x, dtype=np.float64)
    good = int((fit >= GOOD_SHARE).sum())
    if good == 0:
        return None, False
    if good == len(fit):
        return float(rates[-1]), True
    above, below = fit[good - 1], fit[good]
    part = (above - GOOD_SHARE) / (above - below)
    return float(rates[good - 1] + part * (rates[good] - rates[good - 1])), False


def _ratio(baseline: Values, other: Values) -> Ratio | None:
    """Return a ratio over the blocks that both have; None: there is none, or nothing ended in one of them."""
    blocks = [block for block in baseline if block in other]
    if not blocks or min(side[block] for side in (baseline, other) for block in blocks) <= 0:
        return None
    return PairedRatio.of([baseline[each] for each in blocks], [other[each] for each in blocks]).record()
