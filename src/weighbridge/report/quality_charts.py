"""The chart of model quality, for the report's page and as files beside the scores."""

from pathlib import Path

from weighbridge.core.files import write_atomic
from weighbridge.records.quality_scores import SCORE_PLOT
from weighbridge.report.accuracy_texts import asked_text
from weighbridge.report.chart import Chart
from weighbridge.report.figure_files import png, svg_text, titled_svg
from weighbridge.report.figures import quality_figures
from weighbridge.report.figures.style import styled
from weighbridge.report.quality_results import QualityResults


def accuracy_chart(found: QualityResults) -> Chart:
    """Return the chart of the accuracy by subject."""
    made_up = ", made-up questions" if found.overall.source.made_up else ""
    below = f"right answers with 95 % intervals; in brackets: questions\n{asked_text(found.overall)}{made_up}"
    return Chart(
        group="quality",
        key="score-by-subject",
        title="MMLU: accuracy by subject",
        caption="The best subject of each domain comes first (HS: high school). Lines are 95 % intervals "
        "(Wilson); guesses reach the dashed line.",
        draw=lambda: quality_figures.score_by_subject(found.subjects, below),
    )


def write_plots(found: QualityResults) -> None:
    """Write the chart as PNG and SVG into the folder of the scores."""
    chart = accuracy_chart(found)
    place = found.folder / SCORE_PLOT
    with styled():
        write_atomic(_with_suffix(place, "svg"), titled_svg(svg_text(chart.draw()), chart.title))
        write_atomic(_with_suffix(place, "png"), png(chart.draw(), chart.title))


def _with_suffix(place: Path, suffix: str) -> Path:
    return place.with_name(f"{place.name}.{suffix}")
