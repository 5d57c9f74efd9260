"""Closed loops that are tried until higher ones gain nothing, and the loads that follow from them."""

from pathlib import Path

import pytest

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import StopRules, SweepSettings
from weighbridge.records.sweep_plan import CellPlan, PhaseCounts
from weighbridge.sweep.load_sizes import ClosedRates, auto_levels, doubling, saturated_loads
from weighbridge.sweep.planning import WantedCell
from weighbridge.sweep.run_counts import CellSizes

RULES = StopRules()


def tried(capacity: float, each: float = 10.0) -> ClosedRates:
    """Return the rates of a system that answers `each` requests/s a conversation, until its capacity."""
    rates = ClosedRates(RULES)
    rates.measure(doubling(), lambda closed: min(capacity, each * closed))
    return rates


def test_a_load_is_doubled_until_it_gains_nothing_twice() -> None:
    rates = tried(80)
    assert list(rates.rates) == [1, 2, 4, 8, 16, 32]
    assert (rates.saturated_at, rates.capacity, rates.at(500)) == (8, 80, 80)


def test_one_step_without_a_gain_is_not_saturation() -> None:
    rates = ClosedRates(RULES, {1: 10.0, 2: 10.0, 4: 20.0, 8: 20.1})
    assert rates.saturated_at is None


def test_a_step_that_does_not_double_the_load_says_nothing() -> None:
    assert ClosedRates(RULES, {8: 10.0, 9: 10.0, 10: 10.0, 11: 10.0}).saturated_at is None


def test_automatic_loads_are_shares_of_the_slowest_system() -> None:
    levels = auto_levels({"A": tried(80), "B": tried(40)}, turns=2.0)
    assert [level.closed for level in levels if level.closed] == [1, 2, 4, 8, 16, 32]
    assert [level.poisson for level in levels if level.poisson] == [4.0, 8.0, 12.0, 16.0]


LEVELS = [LoadLevel(closed=closed) for closed in (1, 32, 64, 128)]


def test_loads_are_left_out_only_if_no_system_gains_at_them() -> None:
    saturated = saturated_loads({"A": tried(80), "B": tried(40)}, LEVELS, RULES)
    assert list(saturated) == ["closed-64", "closed-128"]
    growing = ClosedRates(RULES, {1: 1.0, 32: 32.0, 64: 64.0, 128: 128.0})
    assert saturated_loads({"A": tried(80), "B": growing}, LEVELS, RULES) == {}


def sizes(**changes: object) -> CellSizes:
    system = {"server": {"model_name": "m", "endpoints": ["http://a:1"]}}
    described = {
        "name": "s",
        "systems": {"A": system},
        "workloads": [{"name": "w"}],
        "levels": {"closed": [1]},
    }
    return CellSizes(SweepSettings.parse(described | changes, "test"), runs=6)


def test_runs_are_shortened_so_that_the_store_keeps_its_limit() -> None:
    found = sizes(store_limit_bytes=2 << 20)
    for closed in (1, 8):
        found.add(WantedCell("w", LoadLevel(closed=closed)), {"A": 10.0}, 1.0, conversation_bytes=400)
    cells = found.cells()
    assert sum(cell.counts.total for cell in cells) * 6 * 400 <= 2 << 20
    assert all(cell.counts.measured > 0.9 * (873 - 240) / 2 for cell in cells)
    assert all("store_limit_bytes" in (cell.shortened or "") for cell in cells)


def test_a_cell_that_was_sized_before_keeps_its_counts() -> None:
    same = CellPlan(
        workload="w", level=LoadLevel(closed=1), counts=PhaseCounts(warmup=1, measured=2, cooldown=3)
    )
    found = sizes()
    found.add(WantedCell("w", LoadLevel(closed=1)), {}, 1.0, conversation_bytes=400, same=same)
    assert found.cells() == [same]


@pytest.mark.parametrize(("lines", "measured"), [(100, 80), (10_000, 600)])
def test_a_run_of_a_trace_has_no_more_conversations_than_the_trace(
    tmp_path: Path, lines: int, measured: int
) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(f'{{"timestamp_s": {number / 10}}}\n' for number in range(lines)))
    found = sizes()
    level = LoadLevel.parse({"trace": {"file": str(trace)}}, "test")
    found.add(WantedCell("w", level), {}, 1.0, conversation_bytes=400)
    (cell,) = found.cells()
    assert cell.counts.measured == pytest.approx(measured, abs=1)
    assert cell.counts.total <= lines
