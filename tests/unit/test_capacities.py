"""Capacity, knee and capacity within objectives, over all loads of a workload."""

import pytest
from sweep_cells import SyntheticSweep, failed_check, sweep_settings

from weighbridge.records.comparison import Capacity, ComparisonResult, Interval, SystemFigures
from weighbridge.sweep.capacities import slo_capacity
from weighbridge.sweep.compare_blocks import compare_cells


def _capacities(sweep: SyntheticSweep) -> dict[str, Capacity]:
    comparison = compare_cells(sweep.settings, sweep.plan, sweep.cells())
    return {each.system: each for each in comparison.capacities}


def test_capacity_is_the_largest_mean_and_the_knee_the_first_load_near_it() -> None:
    settings = sweep_settings(2, {"closed": [8, 64, 512, 4096]})
    found = _capacities(SyntheticSweep(settings, {"B": 1.2}, noise=0.001))
    assert found["A"].capacity is not None
    assert found["A"].capacity.mean == pytest.approx(80, rel=0.01)
    assert found["A"].knee == "closed-512"
    assert found["A"].capacity_ratio is None
    assert found["B"].capacity_ratio is not None
    assert found["B"].capacity_ratio.ratio == pytest.approx(1.2, rel=0.01)


def test_a_block_that_the_client_disturbed_is_in_no_capacity() -> None:
    sweep = SyntheticSweep(sweep_settings(2), {"B": 1.2}, noise=0.0)
    late = failed_check("schedule delay (p99)", 4.8, "<= 3.3 ms", "Give the client more cores.")
    cells = [
        cell.model_copy(
            update={
                "checks": (*cell.checks, late),
                "figures": cell.figures and cell.figures.model_copy(update={"qps": 1.0}),
            }
        )
        if (cell.system, cell.block) == ("B", 2)
        else cell
        for cell in sweep.cells()
    ]
    comparison = compare_cells(sweep.settings, sweep.plan, cells)
    [_, found] = comparison.capacities
    [row] = [row for row in comparison.rows if row.system == "B"]
    assert found.capacity is not None
    assert (found.capacity.low, found.capacity.blocks) == (pytest.approx(found.capacity.mean), 5)
    assert found.capacity_ratio is not None
    assert row.speed_up is not None
    assert found.capacity_ratio.ratio == pytest.approx(row.speed_up.ratio) == pytest.approx(1.2)


def test_a_refused_run_adds_nothing_to_a_capacity() -> None:
    sweep = SyntheticSweep(sweep_settings(2))
    sweep.checks = {"B": (failed_check("failed requests", 3, "0", "Read errors.jsonl."),)}
    assert set(_capacities(sweep)) == {"A"}


def test_systems_that_cannot_be_compared_have_no_ratio_of_capacities() -> None:
    sweep = SyntheticSweep(sweep_settings(2), {"B": 1.2}, noise=0.0)
    late = failed_check("schedule delay (p99)", 4.8, "<= 3.3 ms", "Give the client more cores.")
    cells = [
        cell.model_copy(update={"checks": (*cell.checks, late)})
        if (cell.system, cell.block) in {("A", 1), ("A", 2), ("B", 3), ("B", 4)}
        else cell
        for cell in sweep.cells()
    ]
    comparison = compare_cells(sweep.settings, sweep.plan, cells)
    [row] = [row for row in comparison.rows if row.system == "B"]
    assert row.result is ComparisonResult.NOT_COMPARABLE
    [found] = [each for each in comparison.capacities if each.system == "B"]
    assert found.capacity is not None
    assert found.capacity_ratio is None


def test_capacity_within_objectives_lies_between_two_rates() -> None:
    rates = [8, 32, 48, 56]  # 1.6 less the load of a system of 80/s: 0.99 at 48.8/s
    settings = sweep_settings(2, {"poisson": rates}, workloads=[{"name": "chat", "slo": {"ttft_ms": 500}}])
    found = _capacities(SyntheticSweep(settings, {"B": 1.5}, noise=0.0))
    assert found["A"].slo_capacity is not None
    assert found["A"].slo_capacity.mean == pytest.approx(48.8)
    assert not found["A"].slo_capacity_at_least
    assert found["B"].slo_capacity is not None
    assert found["B"].slo_capacity.mean == pytest.approx(56)
    assert found["B"].slo_capacity_at_least
    assert found["B"].slo_capacity_ratio is not None


def _level(offered: float, *shares: float) -> SystemFigures:
    blocks = [f"w1/b{number}" for number in range(1, len(shares) + 1)]
    return SystemFigures(
        figures={"goodput_share": Interval(mean=1, blocks=1)},
        per_block={
            "goodput_share": dict(zip(blocks, shares, strict=True)),
            "offered_qps": dict.fromkeys(blocks, offered),
        },
        steady=True,
    )


def test_noise_is_smoothed_so_that_the_share_never_rises_with_the_rate() -> None:
    # 0.985 and 0.999 become 0.992, which is good enough.
    good, at_least = slo_capacity([_level(1, 1.0), _level(2, 0.985), _level(3, 0.999), _level(4, 0.988)])
    assert good["w1/b1"] == pytest.approx(3.5)
    assert not at_least


def test_no_rate_is_good_enough() -> None:
    assert slo_capacity([_level(1, 0.9), _level(2, 0.5)]) == ({}, False)
    assert slo_capacity([]) == ({}, False)
