"""The charts of a comparison, with one, two and five systems; and the curves of single runs."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from run_tables import COOLDOWN, MEASURED, WARMUP, Sent, table_of, turns_of
from sweep_cells import SyntheticSweep, sweep_settings

from weighbridge.config.load_level import LoadLevel
from weighbridge.records.comparison import Interval, Ratio
from weighbridge.report.chart import Chart, ChartGap
from weighbridge.report.comparison_charts import comparison_charts
from weighbridge.report.figures.comparison_figures import ForestRow, LoadPoint, loads, speed_ups
from weighbridge.report.figures.style import SERIES, styled
from weighbridge.report.figures.sweep_figures import block_series, completions, latency_shares
from weighbridge.report.sweep_curves import SHARES, RunCurves, counted, curves_of, mean_quantiles, read_curves
from weighbridge.sweep.compare_blocks import compare_cells
from weighbridge.sweep.run_rows import RunRows

SYSTEMS = ("A", "B", "C", "D", "E")
CURVES = RunCurves(
    ttft_s=SHARES, e2e_s=2 * SHARES, completed_s=np.arange(50.0), due_s=np.arange(60.0), window_s=60.0
)
# One at a time, each 1 s: a warm-up request, three measured ones, a cool-down one.
PHASES = [WARMUP, MEASURED, MEASURED, MEASURED, COOLDOWN]
SENT = [
    Sent(number, float(number), number + 1.0, first=number + 0.25, last=number + 0.9) for number in range(5)
]


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_chart_names_its_systems_once(count: int) -> None:
    names = SYSTEMS[:count]
    points = [
        LoadPoint(f"closed-{n}", Interval(mean=n, blocks=6), Interval(mean=1, blocks=6)) for n in (1, 2)
    ]
    both = [
        *points,
        LoadPoint("poisson-1", Interval(mean=1, blocks=6), Interval(mean=1, blocks=6), open=True),
    ]
    with styled():
        figures = [
            loads([dict.fromkeys(names, both)], ["p50"], "requests/s"),
            latency_shares({"ttft": dict.fromkeys(names, SHARES), "e2e": dict.fromkeys(names, SHARES)}),
            block_series({name: [(1, 1.0), (2, 2.0)] for name in names}, "requests/s"),
        ]
        over_time = completions(dict.fromkeys(names, CURVES))
    for figure in figures:
        assert _texts(figure) == list(names)
    assert _texts(over_time) == ["due", *names]


def test_no_two_of_five_systems_look_alike() -> None:
    assert len(set(SERIES)) == len(SYSTEMS)


def test_the_forest_cuts_off_what_would_flatten_the_others_and_says_what_is_not_comparable() -> None:
    rows = [
        ForestRow("B", Ratio(ratio=1.1, low=1.05, high=1.15, blocks=6)),
        ForestRow("C", Ratio(ratio=500.0, low=0.001, high=900.0, blocks=3)),
        ForestRow("D", None),
        ForestRow("A-A", Ratio(ratio=1.0, blocks=2), noise_floor=True),
    ]
    with styled():
        [axes] = speed_ups(rows, 0.05).axes
    low, high = axes.get_xlim()
    assert (low > 0.09, high < 11) == (True, True)
    assert [text.get_text() for text in axes.texts] == ["not comparable"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["B", "C", "D", "A-A"]


def test_curves_of_a_run_computed_by_hand() -> None:
    turns = turns_of(PHASES, due_s=np.arange(5.0))
    rows = RunRows.of(table_of(SENT, turns), turns)
    curves = curves_of(rows, LoadLevel(closed=1), streamed=True)
    assert curves is not None
    assert curves.window_s == pytest.approx(3.0)
    assert curves.completed_s.tolist() == pytest.approx([0.0, 1.0, 2.0])  # of the warm-up request at 0
    assert len(curves.due_s) == 0
    assert curves.ttft_s == pytest.approx(0.25)
    assert curves.e2e_s == pytest.approx(1.0)
    not_streamed = curves_of(rows, LoadLevel(poisson=1.0), streamed=False)
    assert not_streamed is not None
    assert len(not_streamed.ttft_s) == 0
    assert len(not_streamed.due_s) == 3


def test_a_run_without_its_files_has_no_curves(tmp_path: Path) -> None:
    assert read_curves(tmp_path, SyntheticSweep(sweep_settings()).cells()[0]) is None


def test_latencies_of_several_runs_are_averaged_and_not_pooled() -> None:
    assert mean_quantiles([SHARES, 3 * SHARES, np.zeros(0)]) == pytest.approx(2 * SHARES)
    assert len(mean_quantiles([np.zeros(0)])) == 0


def test_a_long_curve_is_thinned_out() -> None:
    times, counts = counted(np.arange(10_000.0))
    assert len(times) < 500
    assert (times[0], counts[0], counts[1]) == (0.0, 0.0, 1.0)


def test_overloaded_runs_are_drawn_by_their_throughput(tmp_path: Path) -> None:
    sweep = SyntheticSweep(sweep_settings(2, {"poisson": [40]}), changes={"B": {"overloaded": True}})
    found = comparison_charts(
        compare_cells(sweep.settings, sweep.plan, sweep.cells()), tmp_path, sweep.cells()
    )
    with styled():
        drawn = {chart.key: chart.draw() for chart in found if isinstance(chart, Chart)}
    assert _texts(drawn["blocks-chat-poisson-40"]) == ["A", "B", "A-A"]


def test_a_sweep_without_rows_has_no_forest_and_says_what_is_missing(tmp_path: Path) -> None:
    sweep = SyntheticSweep(sweep_settings(1, aa=False))
    found = list(
        comparison_charts(compare_cells(sweep.settings, sweep.plan, sweep.cells()), tmp_path, sweep.cells())
    )
    assert [chart.key for chart in found if isinstance(chart, Chart)] == [
        "throughput-latency-chat",
        "pareto-chat",
        "blocks-chat-closed-32",
    ]
    [gap] = [chart for chart in found if isinstance(chart, ChartGap)]
    assert "requests.parquet" in gap.sentence
