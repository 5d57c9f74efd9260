"""Rows of a comparison: which runs are paired, what the verdict is by, and what forbids one."""

import math
from typing import Any

import pytest
from sweep_cells import SyntheticSweep, failed_check, sweep_settings

from weighbridge.config.workload import Workload
from weighbridge.records.comparison import ComparisonResult, ComparisonRow, SweepComparison, lower_is_better
from weighbridge.records.sweep_run import CellRecord
from weighbridge.report.comparison_lines import lines_of
from weighbridge.sweep.compare_blocks import METRICS, compare_cells
from weighbridge.sweep.descriptions import workload_sentence

FASTER = {"B": 1.1}


def _compare(sweep: SyntheticSweep, cells: list[CellRecord] | None = None) -> SweepComparison:
    return compare_cells(sweep.settings, sweep.plan, sweep.cells() if cells is None else cells)


def _sweep(speed: dict[str, float] | None = None, systems: int = 2, **more: Any) -> SyntheticSweep:
    levels = more.pop("levels", None)
    return SyntheticSweep(sweep_settings(systems, levels, **more), speed or {})


def _row(comparison: SweepComparison, system: str = "B", level: str = "closed-32") -> ComparisonRow:
    [row] = [row for row in comparison.rows if (row.system, row.level) == (system, level)]
    return row


def test_a_faster_system_is_called_faster_and_the_baseline_s_copy_the_same() -> None:
    comparison = _compare(_sweep(FASTER))
    row = _row(comparison)
    assert (row.result, row.metric, row.noise_floor) == (ComparisonResult.FASTER, "qps", False)
    assert row.speed_up is not None
    assert row.speed_up.low is not None
    assert row.speed_up.high is not None
    assert 1 < row.speed_up.low < 1.1 < row.speed_up.high
    assert row.blocks == tuple(f"w1/b{number}" for number in range(1, 7))
    copy = _row(comparison, "A-A")
    assert (copy.result, copy.noise_floor) == (ComparisonResult.SAME, True)


def test_a_slower_system_is_called_slower_and_its_time_ratios_are_above_one() -> None:
    row = _row(_compare(_sweep({"B": 0.8})))
    assert row.result is ComparisonResult.SLOWER
    assert row.ratios["e2e.p50"].ratio > 1.1
    assert row.ratios["e2e.p50"].p_adjusted is None


def test_the_ratio_is_the_geometric_mean_over_blocks() -> None:
    sweep = _sweep(FASTER)
    cells = sweep.cells()
    logs = []
    for block in range(1, 7):
        [a], [b] = (
            [
                cell.figures.qps
                for cell in cells
                if (cell.system, cell.block) == (name, block) and cell.figures
            ]
            for name in "AB"
        )
        logs.append(math.log(b / a))
    assert _row(_compare(sweep, cells)).ratios["qps"].ratio == pytest.approx(math.exp(sum(logs) / 6))


def test_runs_of_different_waves_are_never_paired() -> None:
    sweep = _sweep(FASTER)
    cells = [cell.model_copy(update={"wave": 2}) if cell.system == "B" else cell for cell in sweep.cells()]
    row = _row(_compare(sweep, cells))
    assert (row.result, row.blocks) == (ComparisonResult.NOT_COMPARABLE, ())
    assert "No block has runs of both" in row.reasons[0]


def test_blocks_of_a_later_wave_add_up() -> None:
    sweep = _sweep(FASTER)
    more = [cell.model_copy(update={"wave": 2}) for cell in sweep.cells() if cell.block <= 2]
    row = _row(_compare(sweep, [*sweep.cells(), *more]))
    assert row.blocks == (*(f"w1/b{number}" for number in range(1, 7)), "w2/b1", "w2/b2")
    assert row.ratios["qps"].blocks == 8


def test_a_system_added_later_is_paired_with_the_baseline_of_its_own_wave() -> None:
    sweep = _sweep({"B": 1.1, "C": 1.1}, systems=3, aa=False)
    earlier = [cell for cell in sweep.cells() if cell.system != "C"]
    # The machine is twice as fast when the third system is measured.
    later = [
        cell.model_copy(
            update={"wave": 2, "figures": cell.figures.model_copy(update={"qps": 2 * cell.figures.qps})}
        )
        for cell in sweep.cells()
        if cell.system != "B" and cell.figures is not None
    ]
    comparison = _compare(sweep, [*earlier, *later])
    row = _row(comparison, "C")
    assert {block[:2] for block in row.blocks} == {"w2"}
    assert row.ratios["qps"].ratio == pytest.approx(1.1, rel=0.05)
    [_, line] = lines_of(comparison)
    [cell] = comparison.cells
    assert line.baseline.value("qps") == cell.systems["A"].mean("qps", row.blocks)


def test_repeats_of_a_session_are_averaged_before_they_are_paired() -> None:
    sweep = _sweep(FASTER)
    once = sweep.cells()
    again = [
        cell.model_copy(
            update={"repeat": 2, "figures": cell.figures and cell.figures.model_copy(update={"qps": 10.0})}
        )
        for cell in once
        if cell.system == "B"
    ]
    comparison = _compare(sweep, [*once, *again])
    [cell] = comparison.cells
    first = _compare(sweep, once).cells[0].systems["B"].per_block["qps"]
    assert cell.systems["B"].per_block["qps"] == pytest.approx({k: (v + 10) / 2 for k, v in first.items()})
    assert _row(comparison).ratios["qps"].blocks == 6


def test_a_block_whose_run_ended_early_is_left_out_and_said() -> None:
    sweep = _sweep(FASTER)
    cells = [_ended(cell) if (cell.system, cell.block) == ("B", 2) else cell for cell in sweep.cells()]
    row = _row(_compare(sweep, cells))
    assert (row.result, len(row.blocks)) == (ComparisonResult.FASTER, 5)
    assert row.notes == ("block w1/b2 is left out, because the run of B ended early: 20 failures in a row",)


def test_fewer_than_half_of_the_blocks_are_not_compared() -> None:
    sweep = _sweep(FASTER)
    cells = [_ended(cell) if cell.system == "B" and cell.block > 2 else cell for cell in sweep.cells()]
    row = _row(_compare(sweep, cells))
    assert (row.result, row.ratios, row.speed_up) == (ComparisonResult.NOT_COMPARABLE, {}, None)
    assert "Only 2 of 6 blocks can be compared" in row.reasons[0]
    assert "errors.jsonl" in row.reasons[0]


def _ended(cell: CellRecord) -> CellRecord:
    load = cell.load.model_copy(update={"aborted": "20 failures in a row"})
    return cell.model_copy(update={"figures": None, "load": load})


def _late(cell: CellRecord) -> CellRecord:
    late = failed_check("schedule delay (p99)", 4.8, "<= 3.3 ms", "Give the client more cores.")
    return cell.model_copy(update={"checks": (*cell.checks, late)})


def test_a_block_that_the_client_disturbed_is_left_out_and_said() -> None:
    sweep = _sweep(FASTER)
    cells = [_late(cell) if (cell.system, cell.block) == ("B", 2) else cell for cell in sweep.cells()]
    comparison = _compare(sweep, cells)
    row = _row(comparison)
    assert (row.result, row.blocks) == (
        ComparisonResult.FASTER,
        ("w1/b1", "w1/b3", "w1/b4", "w1/b5", "w1/b6"),
    )
    assert row.notes == (
        "block w1/b2 is left out, because the client disturbed the run of B: schedule delay (p99) 4.8, "
        "limit <= 3.3 ms",
    )
    assert comparison.cells[0].systems["B"].refused == ()


def test_a_client_that_disturbs_most_blocks_forbids_the_comparison() -> None:
    sweep = _sweep(FASTER)
    cells = [_late(cell) if cell.system == "B" and cell.block > 2 else cell for cell in sweep.cells()]
    row = _row(_compare(sweep, cells))
    assert row.result is ComparisonResult.NOT_COMPARABLE
    assert row.reasons == (
        "B: schedule delay (p99) is 4.8, required: <= 3.3 ms (in 4 runs). Give the client more cores.",
    )


def test_different_blocks_that_the_client_disturbed_add_up() -> None:
    sweep = _sweep(FASTER)
    spoilt = {("A", 1), ("A", 2), ("B", 3), ("B", 4)}
    cells = [_late(cell) if (cell.system, cell.block) in spoilt else cell for cell in sweep.cells()]
    row = _row(_compare(sweep, cells))
    assert row.result is ComparisonResult.NOT_COMPARABLE
    assert "keep other work off the client" in row.reasons[0]


def test_a_refused_check_blanks_the_row_and_names_the_remedy_once() -> None:
    sweep = _sweep(FASTER, systems=3)
    sweep.checks = {"B": (failed_check("failed requests", 3, "0", "Read errors.jsonl."),)}
    comparison = _compare(sweep)
    row = _row(comparison)
    assert row.reasons == ("B: failed requests is 3, required: 0 (in 6 runs). Read errors.jsonl.",)
    assert (row.result, row.ratios) == (ComparisonResult.NOT_COMPARABLE, {})
    assert _row(comparison, "C").result is ComparisonResult.SAME
    figures = comparison.cells[0].systems["B"]
    assert figures.mean("qps") is not None
    assert [check.run for check in figures.refused][:2] == ["block 1", "block 2"]


def test_holm_counts_all_rows_but_the_noise_floor() -> None:
    rows = _compare(_sweep(FASTER, systems=5)).rows
    row = _row(SweepComparison.model_construct(rows=rows)).ratios["qps"]
    assert row.p is not None
    assert row.p_adjusted == pytest.approx(4 * row.p)
    copy = next(row for row in rows if row.noise_floor).ratios["qps"]
    assert copy.p_adjusted == copy.p


def test_an_inconclusive_row_says_how_many_blocks_would_decide() -> None:
    sweep = _sweep({"B": 1.06}, equivalence=0.01)
    sweep.noise = 0.08
    row = _row(_compare(sweep))
    assert row.result is ComparisonResult.INCONCLUSIVE
    assert row.blocks_needed is not None
    assert row.blocks_needed > 6
    assert row.blocks_needed % 2 == 0


def test_two_blocks_have_a_ratio_without_interval_and_no_verdict() -> None:
    row = _row(_compare(_sweep({"B": 2.0}, blocks=2)))
    assert (row.result, row.ratios["qps"].low) == (ComparisonResult.INCONCLUSIVE, None)
    assert row.notes == ("an interval needs 3 blocks, there are 2",)


@pytest.mark.parametrize(
    ("slo", "p99", "metric"),
    [({}, True, "e2e.p99"), ({}, False, "e2e.p90"), ({"ttft_ms": 500}, True, "goodput")],
)
def test_what_the_verdict_of_an_open_loop_is_by(slo: dict[str, float], p99: bool, metric: str) -> None:
    sweep = _sweep(
        {"B": 1.3}, levels={"poisson": [40]}, workloads=[{"name": "chat", "slo": slo}], aa=False, blocks=4
    )
    cells = sweep.cells()
    if not p99:
        assert cells[0].figures is not None
        short = cells[0].figures.e2e
        assert short is not None
        figures = cells[0].figures.model_copy(update={"e2e": short.model_copy(update={"p99": None})})
        cells[0] = cells[0].model_copy(update={"figures": figures})
    row = _row(_compare(sweep, cells), level="poisson-40")
    assert row.metric == metric
    assert row.speed_up is not None
    if metric != "goodput":
        assert row.result is ComparisonResult.FASTER
        assert row.speed_up.ratio == pytest.approx(1 / row.ratios[metric].ratio)


def test_overloaded_runs_have_throughput_and_no_latencies() -> None:
    sweep = _sweep(levels={"poisson": [40]}, aa=False)
    sweep.changes = {"B": {"overloaded": True}}
    comparison = _compare(sweep)
    row = _row(comparison, level="poisson-40")
    figures = comparison.cells[0].systems["B"]
    assert figures.overloaded
    assert "qps" in figures.figures
    assert not [name for name in figures.figures if name.startswith(("ttft", "e2e", "tpot"))]
    assert row.result is ComparisonResult.NOT_COMPARABLE
    assert "offer a lower rate" in row.reasons[0]


def test_one_system_gives_cells_and_no_rows() -> None:
    comparison = _compare(_sweep(systems=1, aa=False))
    assert (comparison.rows, len(comparison.cells)) == ((), 1)
    assert comparison.capacities[0].capacity is not None


def test_a_ramp_has_figures_and_is_not_compared() -> None:
    comparison = _compare(_sweep(levels={"ramp": [{"start": 1, "end": 9, "over_s": 10}]}))
    assert (comparison.rows, len(comparison.cells)) == ((), 1)


def test_figures_by_device_token_and_price() -> None:
    sweep = _sweep()
    priced = sweep.settings.systems["B"].model_copy(update={"price_per_hour": 3.6, "devices": 2})
    sweep.settings = sweep.settings.model_copy(update={"systems": {**sweep.settings.systems, "B": priced}})
    sweep.changes = {"B": {"output_tps": 1000.0, "energy_j": 30_000.0}}
    figures = _compare(sweep).cells[0].systems["B"]
    assert figures.mean("output_tps_per_device") == pytest.approx(500)
    assert figures.mean("energy_per_token_j") == pytest.approx(30_000 / 60_000)
    assert figures.mean("cost_per_million_tokens") == pytest.approx(1.0)
    p50 = figures.per_block["tpot.p50"]["w1/b1"]
    assert figures.per_block["tps_per_user"]["w1/b1"] == pytest.approx(1 / p50)


def test_an_unfinished_sweep_says_so() -> None:
    sweep = _sweep(FASTER)
    comparison = _compare(sweep, [cell for cell in sweep.cells() if cell.block <= 4])
    assert comparison.warnings == ("The sweep is not finished: 12 of 18 runs. Repeat the command to go on.",)
    assert _row(comparison).ratios["qps"].blocks == 4


def test_what_is_not_asked_for_any_more_leaves_no_sweep_unfinished() -> None:
    sweep = _sweep(FASTER, aa=False, levels={"closed": [8, 32]})
    half = [cell for cell in sweep.cells() if cell.block <= 4 and cell.level.closed == 32]
    less = sweep.settings.model_copy(
        update={"levels": sweep_settings(2, {"closed": [32]}).levels, "blocks": 4}
    )
    assert compare_cells(less, sweep.plan, half).warnings == ()
    assert compare_cells(sweep.settings, sweep.plan, half).warnings != ()


def test_a_shortened_load_is_told_once_however_many_waves_have_it() -> None:
    sweep = _sweep(aa=False)
    [wave] = sweep.plan.waves
    short = wave.model_copy(update={"cells": (wave.cells[0].model_copy(update={"shortened": "why"}),)})
    plan = sweep.plan.model_copy(
        update={"waves": (short, short.model_copy(update={"number": 2, "blocks": 1}))}
    )
    told = [each for each in compare_cells(sweep.settings, plan, sweep.cells()).warnings if "shorter" in each]
    assert told == ["The runs of chat/closed-32 are shorter than asked for: why."]


def test_identity_phases_and_digests_do_not_depend_on_other_systems() -> None:
    two, three = _compare(_sweep()), _compare(_sweep(systems=3))
    assert two.systems["A"].identity == three.systems["A"].identity
    assert two.systems["A"].identity != two.systems["B"].identity
    assert (two.phase_plan, two.workloads) == (three.phase_plan, three.workloads)


def test_workloads_are_said_in_a_sentence() -> None:
    comparison = _compare(_sweep())
    assert comparison.workloads["chat"].summary == (
        "Synthetic questions of 60 tokens, 3 turns with recorded answers as history, "
        "120 output tokens (forced), streamed."
    )


def test_a_workload_with_everything_is_said_in_a_sentence() -> None:
    written = {
        "name": "everything",
        "source": {
            "images": {"kind": "synthetic"},
            "text": {"kind": "synthetic", "tokens": {"normal": {"mean": 60, "sd": 20}}},
        },
        "images_per_turn": {"first": {"uniform": [2, 4]}, "later": 1},
        "shared_prefix": {"groups": 8, "tokens": 512, "share": 0.5},
        "turns": {"choice": [1, 3]},
        "history": "live",
        "output_tokens": {"uniform": [88, 152]},
        "force_length": "none",
        "think_time_s": {"exponential": {"mean": 2}},
        "stream": False,
    }
    assert workload_sentence(Workload.parse(written, "here")) == (
        "Synthetic questions of 60 ± 20 tokens, 2 to 4 synthetic images and 1 in later turns, 50 % begin "
        "with one of 8 prefixes of 512 tokens, 1 or 3 turns with live answers as history, 88 to 152 "
        "output tokens (at most), on average 2 (exponential) s between turns, not streamed."
    )


@pytest.mark.parametrize("metric", METRICS)
def test_of_times_energy_and_cost_less_is_better(metric: str) -> None:
    less = metric.startswith(("ttft", "e2e", "tpot", "chunk_gap", "norm_latency", "energy", "cost"))
    assert lower_is_better(metric) == less
