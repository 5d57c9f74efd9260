"""Write what a sweep found: comparison.json, table.md, table.csv, plots and report.html."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.files import write_atomic
from weighbridge.records.comparison import COMPARISON, COMPARISON_PAGE, SweepComparison
from weighbridge.records.slo_capacity import SLO_CAPACITY, SloCapacities
from weighbridge.records.sweep_run import CellRecord
from weighbridge.report.chart import ChartGap
from weighbridge.report.comparison_charts import comparison_charts
from weighbridge.report.comparison_page import render_comparison_page
from weighbridge.report.comparison_table import comparison_markdown
from weighbridge.report.comparison_values import comparison_csv
from weighbridge.report.figure_files import inline_svg, svg_text, titled_svg
from weighbridge.report.figures.style import styled
from weighbridge.report.page import RenderedChart
from weighbridge.sweep.slo_search import slo_sentence

TABLE_MARKDOWN, TABLE_CSV, PLOTS = "table.md", "table.csv", "plots"

_log = logging.getLogger(__name__)


def write_comparison(
    folder: Path, comparison: SweepComparison, settings: SweepSettings, cells: Sequence[CellRecord]
) -> None:
    """Write all files of a comparison into the sweep's folder; each is old or new, and never a part.

    Args:
        folder: The sweep's folder, with the runs and their store.
        comparison: What was found.
        settings: The sweep.
        cells: The runs.
    """
    write_atomic(folder / COMPARISON, comparison.model_dump_json(indent=2) + "\n")
    write_atomic(folder / TABLE_MARKDOWN, comparison_markdown(comparison))
    write_atomic(folder / TABLE_CSV, comparison_csv(comparison))
    with styled():
        charts = list(_rendered(folder, comparison, cells))
    drawn = {f"{chart.key}.svg" for chart in charts if chart.svg is not None}
    for old in (folder / PLOTS).glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    page = render_comparison_page(comparison, settings, cells, charts, _searched(folder))
    write_atomic(folder / COMPARISON_PAGE, page)
    _log.info("%s: %d charts", folder / COMPARISON_PAGE, len(drawn))


def _searched(folder: Path) -> list[str]:
    """Return what searches of the highest load within objectives found; nothing: there was none."""
    written = folder / SLO_CAPACITY
    if not written.is_file():
        return []
    return [slo_sentence(each) for each in SloCapacities.read(written).capacities]


def _rendered(
    folder: Path, comparison: SweepComparison, cells: Sequence[CellRecord]
) -> Iterator[RenderedChart]:
    """Yield each chart for the page, and write it as a file of its own."""
    for chart in comparison_charts(comparison, folder, cells):
        if isinstance(chart, ChartGap):
            yield RenderedChart(chart.group, chart.title, chart.sentence, None)
            continue
        text = svg_text(chart.draw())
        svg = inline_svg(text, chart.key, f"{chart.title}. {chart.caption}")
        yield RenderedChart(chart.group, chart.title, chart.caption, svg, chart.key)
        write_atomic(folder / PLOTS / f"{chart.key}.svg", titled_svg(text, chart.title))
