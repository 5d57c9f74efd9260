"""What the index of recorded results shows, in both of its forms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.history.changes import changes_of
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.series import series_of
from weighbridge.report.history_rows import ResultRow, rows_of
from weighbridge.report.history_sentences import failures, headline, lead, notes
from weighbridge.report.history_steps import HistoryStep, steps_of
from weighbridge.report.history_trends import HistoryTrends, trends_of


@dataclass(frozen=True)
class HistoryIndex:
    """The contents of the index; rows and steps have the newest first.

    Attributes:
        headline: What fails or is worse now, in a sentence.
        lead: How much there is.
        notes: What makes figures mean little.
        failures: A sentence for each newest verdict that is INVALID.
        rows: The results.
        steps: Each result beside the one before it.
        trends: The charts.
    """

    headline: str
    lead: str
    notes: list[str]
    failures: list[str]
    rows: list[ResultRow]
    steps: list[HistoryStep]
    trends: HistoryTrends

    @property
    def regressed(self) -> list[HistoryStep]:
        """The steps to newest results in which a figure is worse by more than its noise."""
        return [step for step in self.steps if step.newest and step.regressed]

    @property
    def doubtful(self) -> list[HistoryStep]:
        """The steps to newest results in which a figure is worse, with a noise that is not known."""
        return [step for step in self.steps if step.newest and step.doubtful]

    @property
    def earlier(self) -> list[HistoryStep]:
        """The regressions that have a later result after them."""
        return [step for step in self.steps if step.regressed and not step.newest]


def index_of(entries: Sequence[RecordedEntry], folder: Path) -> HistoryIndex:
    """Return the index.

    Args:
        entries: In time order.
        folder: Of the index, for relative links.
    """
    series = series_of(entries)
    changes = [change for each in series for change in changes_of(each)]
    steps = steps_of(changes)
    return HistoryIndex(
        headline=headline(entries, steps),
        lead=lead(entries),
        notes=notes(entries),
        failures=failures(entries),
        rows=rows_of(entries, folder),
        steps=steps,
        trends=trends_of(series, changes),
    )
