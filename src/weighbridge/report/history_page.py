"""Write the index of recorded results over time: index.md and index.html."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from weighbridge import __version__
from weighbridge.core.files import write_atomic
from weighbridge.history.changes import ChangeFinding
from weighbridge.history.read_history import RecordedEntry
from weighbridge.report.figure_files import inline_svg, svg_text
from weighbridge.report.figures.style import PALETTE, styled
from weighbridge.report.history_index import HistoryIndex, index_of
from weighbridge.report.history_markdown import history_markdown
from weighbridge.report.history_sentences import DEFINITIONS
from weighbridge.report.history_trends import HistoryTrends
from weighbridge.report.page import RenderedChart, page_environment

INDEX_MARKDOWN, INDEX_PAGE = "index.md", "index.html"

_MARKS = {"VALID": ("good", "✓"), "INVALID": ("bad", "✕"), "UNPROVEN": ("open", "?")}
_FINDING_MARKS = {
    ChangeFinding.IMPROVED: ("good", "▲"),
    ChangeFinding.REGRESSED: ("bad", "▼"),
    ChangeFinding.WITHIN_NOISE: ("", "="),
    ChangeFinding.NOT_KNOWN: ("open", "?"),
}
_RECENT = 30  # rows that are shown; older ones are folded

_log = logging.getLogger(__name__)


def write_history(entries: Sequence[RecordedEntry], folder: Path) -> None:
    """Write index.md and index.html; each is old or new, and never a part.

    Args:
        entries: In time order, of one run directory or several; there may be none.
        folder: Is made where it is missing; links in the pages are relative to it.
    """
    index = index_of(entries, folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / INDEX_MARKDOWN, history_markdown(index))
    write_atomic(folder / INDEX_PAGE, _page(index))
    _log.info("%s: %d results, %d charts", folder / INDEX_PAGE, len(entries), len(index.trends.charts))


def _page(index: HistoryIndex) -> str:
    with styled():
        charts = list(_rendered(index.trends))
    page = page_environment().get_template("history.html.j2")
    return page.render(
        version=__version__,
        palette=PALETTE,
        index=index,
        contents=_contents(index),
        charts=charts,
        recent=_RECENT,
        marks=_MARKS,
        finding_marks=_FINDING_MARKS,
        regressed_mark=_FINDING_MARKS[ChangeFinding.REGRESSED],
        doubtful_mark=_FINDING_MARKS[ChangeFinding.NOT_KNOWN],
        definitions=DEFINITIONS,
    )


def _contents(index: HistoryIndex) -> dict[str, str]:
    """Return the anchor of each section with its title."""
    sections = {"regressions": "Regressions"} if index.steps or index.failures else {}
    sections |= {"results": "Results"} if index.rows else {}
    sections |= {"trends": "Trends", "changes": "What changed"} if index.steps else {}
    return sections | {"reading": "How to read it"}


def _rendered(trends: HistoryTrends) -> Iterator[RenderedChart]:
    for chart in trends.charts:
        svg = inline_svg(svg_text(chart.draw()), chart.key, f"{chart.title}. {chart.caption}")
        yield RenderedChart(chart.group, chart.title, chart.caption, svg, chart.key)
