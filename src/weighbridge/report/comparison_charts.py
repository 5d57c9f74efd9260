"""The charts of a comparison, each with its title and a caption that says how to read it."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from weighbridge.config.sweep_settings import NOISE_FLOOR_SYSTEM
from weighbridge.records.comparison import ComparedCell, Interval, SweepComparison, SystemFigures
from weighbridge.records.sweep_run import CellRecord
from weighbridge.report.chart import Chart, ChartGap
from weighbridge.report.figures import comparison_figures, sweep_figures
from weighbridge.report.figures.comparison_figures import Curves, ForestRow, LoadPoint
from weighbridge.report.sweep_curves import Floats, RunCurves, mean_quantiles, read_curves
from weighbridge.sweep.block_figures import block_of
from weighbridge.sweep.comparison_sentences import METRIC_NAMES

COMPARISON_GROUPS = {
    "speed-ups": "Speed-ups",
    "loads": "Throughput, latency and load",
    "runs": "Single runs",
}
"""Groups of charts in their order on the page, and their titles."""
_LATENCIES = {"e2e.p50": "p50 latency, seconds", "e2e.p99": "p99 latency, seconds"}
_LOADS_CAPTION = (
    "A point is a load, its bars are 95 % intervals over blocks on both axes. Down and to the right is "
    "better: more requests/s at a lower latency. "
)


def comparison_charts(
    comparison: SweepComparison, folder: Path, cells: Sequence[CellRecord]
) -> Iterator[Chart | ChartGap]:
    """Yield the charts in their order on the page.

    Args:
        comparison: What was found.
        folder: The sweep's folder, for the requests of single runs.
        cells: The runs.
    """
    if comparison.rows:
        yield _forest(comparison)
    for workload in comparison.workloads:
        measured = [cell for cell in comparison.cells if cell.workload == workload]
        yield from _load_charts(comparison, workload, measured)
    for cell in main_cells(comparison):
        yield from _run_charts(comparison, folder, cell, cells)


def main_cells(comparison: SweepComparison) -> list[ComparedCell]:
    """Return the cells whose runs are drawn: of each workload the highest closed and the highest open load.

    The cells of a comparison are in the order of rising loads, closed ones first.
    """
    highest = {(cell.workload, cell.open): cell for cell in comparison.cells}
    return list(highest.values())


def _named(comparison: SweepComparison, workload: str) -> str:
    return f", {workload}" if len(comparison.workloads) > 1 else ""


def _systems(cell: ComparedCell) -> dict[str, SystemFigures]:
    """Return what is drawn of a cell; the baseline's second copy would hide the baseline."""
    return {name: each for name, each in cell.systems.items() if name != NOISE_FLOOR_SYSTEM}


def _forest(comparison: SweepComparison) -> Chart:
    several = len(comparison.workloads) > 1
    rows = [
        ForestRow(
            f"{row.system}, {row.workload + ', ' if several else ''}{row.level}",
            row.speed_up,
            row.noise_floor,
        )
        for row in comparison.rows
    ]
    margin = f"{100 * comparison.equivalence:g} %"
    return Chart(
        group="speed-ups",
        key="speed-ups",
        title=f"Speed-up of each system over {comparison.baseline}",
        caption="A dot is the geometric mean over blocks, its bar the 95 % interval. Right of 1 is better. "
        f"Inside the band a difference is below {margin} and counts as none; a bar that crosses 1 and leaves "
        "the band decides nothing. A diamond is the baseline beside its own copy: what no difference looks "
        "like. Bars are not adjusted for the number of rows; the verdicts in the table are.",
        draw=partial(comparison_figures.speed_ups, rows, comparison.equivalence),
    )


def _load_charts(
    comparison: SweepComparison, workload: str, cells: Sequence[ComparedCell]
) -> Iterator[Chart | ChartGap]:
    named = _named(comparison, workload)
    panels = {title: curves for name, title in _LATENCIES.items() if (curves := _points(cells, "qps", name))}
    if panels:
        gap = "" if len(panels) > 1 else "p99 needs 1,000 requests a run, and is not drawn."
        yield Chart(
            group="loads",
            key=f"throughput-latency-{workload}",
            title=f"Latency against throughput{named}",
            caption=_LOADS_CAPTION + _marks(cells) + gap,
            draw=partial(comparison_figures.loads, list(panels.values()), list(panels), "requests/s"),
        )
    else:
        yield ChartGap("loads", f"Latency against throughput{named}", _NO_LATENCY)
    yield from _pareto(comparison, workload, cells)


def _marks(cells: Sequence[ComparedCell]) -> str:
    both = len({cell.open for cell in cells}) > 1
    return "Filled marks are closed loops, empty ones open loops. " if both else ""


_NO_LATENCY = "No run has latencies: an overloaded one has none, because they grow with its duration."
_NO_TOKENS = "No run has times of tokens: they need a streamed workload, and a server that reports `usage`."


def _pareto(
    comparison: SweepComparison, workload: str, cells: Sequence[ComparedCell]
) -> Iterator[Chart | ChartGap]:
    title = f"Tokens for each user against tokens of each device{_named(comparison, workload)}"
    by_device = _points(cells, "tps_per_user", "output_tps_per_device")
    curves = by_device or _points(cells, "tps_per_user", "output_tps")
    if not curves:
        yield ChartGap("loads", title, _NO_TOKENS)
        return
    unit = "output tokens/s of each device" if by_device else "output tokens/s of the whole system"
    yield Chart(
        group="loads",
        key=f"pareto-{workload}",
        title=title,
        caption="A point is a load. To the right each user reads faster, upwards the system earns more: a "
        "curve that lies above and to the right of another is better at every trade-off. " + _marks(cells),
        draw=partial(
            comparison_figures.loads, [curves], [unit], "tokens/s that each user sees (1 by the median TPOT)"
        ),
    )


def _points(cells: Sequence[ComparedCell], x: str, y: str) -> Curves:
    """Return the points of each system that has both figures at a load."""
    curves: Curves = {}
    for cell in cells:
        for name, each in _systems(cell).items():
            found: tuple[Interval | None, Interval | None] = each.figures.get(x), each.figures.get(y)
            if found[0] is not None and found[1] is not None:
                curves.setdefault(name, []).append(LoadPoint(cell.level, found[0], found[1], cell.open))
    return curves


def _run_charts(
    comparison: SweepComparison, folder: Path, cell: ComparedCell, cells: Sequence[CellRecord]
) -> Iterator[Chart | ChartGap]:
    place = f"{cell.level}{_named(comparison, cell.workload)}"
    runs = [
        run
        for run in cells
        if (run.workload, run.level.name) == (cell.workload, cell.level) and run.figures is not None
    ]
    if runs:
        yield _series_chart(comparison, cell, runs, place)
    curves = {
        name: [found for run in runs if run.system == name and (found := read_curves(folder, run))]
        for name in _systems(cell)
    }
    known = {name: found for name, found in curves.items() if found}
    if not known:
        yield ChartGap("runs", f"Latencies at {place}", _NO_REQUESTS)
        return
    yield from _share_chart(cell, known, place)
    first = {name: found[0] for name, found in known.items()}
    yield Chart(
        group="runs",
        key=f"completions-{cell.workload}-{cell.level}",
        title=f"Completions over time at {place}, block 1",
        caption="Straight lines: a steady rate, and the steeper the faster. A bend, or a step, is a stall or "
        "a warm-up that was too short."
        + (" A line that falls behind what was due: the load is too high." if cell.open else ""),
        draw=partial(sweep_figures.completions, first),
    )


_NO_REQUESTS = (
    "The runs' requests.parquet, or the store of the sweep's requests, is not there; keep both folders to "
    "draw latencies and completions."
)


def _series_chart(
    comparison: SweepComparison, cell: ComparedCell, runs: Sequence[CellRecord], place: str
) -> Chart:
    rows = [row for row in comparison.rows if (row.workload, row.level) == (cell.workload, cell.level)]
    wanted = rows[0].metric if rows else "qps"
    # Overloaded runs have no latencies.
    metric = wanted if all(each.per_block.get(wanted) for each in cell.systems.values()) else "qps"
    order = sorted({(run.wave, run.slot) for run in runs})
    slots = {(run.system, block_of(run)): order.index((run.wave, run.slot)) + 1 for run in runs}
    series = {
        name: [(slots[name, block], value) for block, value in each.per_block[metric].items()]
        for name, each in cell.systems.items()
        if each.per_block.get(metric)
    }
    named = {"qps": "requests/s", "goodput": METRIC_NAMES["goodput"]}.get(metric, f"{metric}, seconds")
    return Chart(
        group="runs",
        key=f"blocks-{cell.workload}-{cell.level}",
        title=f"Each run at {place}",
        caption="In the order of measuring; dotted: a system's mean. A slope that all systems share is a "
        "drift of the machine, which alternating cancels; a single point far away is worth a look at that "
        "run.",
        draw=partial(sweep_figures.block_series, series, named),
    )


def _share_chart(
    cell: ComparedCell, curves: Mapping[str, Sequence[RunCurves]], place: str
) -> Iterator[Chart | ChartGap]:
    panels: dict[str, dict[str, Floats]] = {
        "time to first token": {
            name: mean
            for name, runs in curves.items()
            if len(mean := mean_quantiles([run.ttft_s for run in runs]))
        },
        "end-to-end latency": {
            name: mean
            for name, runs in curves.items()
            if len(mean := mean_quantiles([run.e2e_s for run in runs]))
        },
    }
    drawn = {title: systems for title, systems in panels.items() if systems}
    if drawn:
        yield Chart(
            group="runs",
            key=f"latencies-{cell.workload}-{cell.level}",
            title=f"Latencies at {place}",
            caption="Further left is faster. At each share the mean of the runs' latencies, so that no "
            "requests of different runs are pooled; the slowest 1 % is cut off."
            + (" Times count from when a request was due." if cell.open else ""),
            draw=partial(sweep_figures.latency_shares, drawn),
        )
