"""Render the report of a run directory that holds model quality and no runs."""

from collections.abc import Sequence

from weighbridge import __version__
from weighbridge.report.accuracy_texts import QUALITY_TITLE
from weighbridge.report.figures.style import PALETTE
from weighbridge.report.page import RenderedChart, page_environment
from weighbridge.report.quality_facts import quality_facts
from weighbridge.report.quality_results import QualityResults


def render_quality_page(found: QualityResults, charts: Sequence[RenderedChart]) -> str:
    """Return the page as HTML."""
    page = page_environment().get_template("quality_page.html.j2")
    return page.render(
        version=__version__,
        palette=PALETTE,
        title=QUALITY_TITLE,
        quality=found,
        quality_facts=quality_facts(found.overall),
        charts=charts,
    )
