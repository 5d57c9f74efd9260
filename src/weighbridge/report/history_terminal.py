"""A history on a terminal: its results, its series with their trends, what changed, and what regressed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weighbridge.core.terminal import OUTCOME_STYLES
from weighbridge.history.changes import Change, ChangeFinding, newest_changes
from weighbridge.history.history_values import change_text, measure_text, noise_text
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.series import Series, series_of
from weighbridge.records.history_entry import HistoryKind
from weighbridge.report.history_rows import rows_of
from weighbridge.report.history_steps import HistoryStep, steps_of

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 24
_FINDING_STYLES = {ChangeFinding.REGRESSED: "bold red", ChangeFinding.IMPROVED: "bold green"}


def render_history(shown: Sequence[RecordedEntry], entries: Sequence[RecordedEntry]) -> Group:
    """Return the table of results, the newest last; and where there are several of a kind, that of trends.

    Args:
        shown: Entries of the table.
        entries: All entries, in the order of time, of which series and changes are made.
    """
    all_series = series_of(entries)
    parts: list[RenderableType] = [_results(shown)]
    if any(len(series.points) > 1 for series in all_series):
        parts.append(_trends(all_series, newest_changes(all_series)))
    return Group(*parts)


def history_findings(entries: Sequence[RecordedEntry]) -> Iterator[str]:
    """Yield what has changed to the newest result of each kind and name, line by line, and what regressed."""
    changes = newest_changes(series_of(entries))
    for step in steps_of(changes):
        yield from _step_lines(step)
    regressed = [change.series.title for change in changes if change.finding is ChangeFinding.REGRESSED]
    if regressed:
        yield f"Regressed: {'; '.join(regressed)}."


def sparkline(series: Series) -> str:
    """Return a series as a line of bars, the newest last: from the lowest value to the highest."""
    values = [point.value for point in series.points[-_MOST_BARS:]]
    low, high = min(values), max(values)
    if low == high:
        return _BARS[len(_BARS) // 2] * len(values)
    steps = (len(_BARS) - 1) / (high - low)
    return "".join(_BARS[round((value - low) * steps)] for value in values)


def _results(shown: Sequence[RecordedEntry]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Time (UTC)", no_wrap=True)
    for name in ("Folder", "What", "Figures", "Scores", "Verdict"):
        table.add_column(name, overflow="fold")
    # Comparisons have no verdict but sentences, which say what the speed-ups in the table do.
    for row, recorded in zip(reversed(rows_of(shown, Path())), shown, strict=True):
        entry = recorded.entry
        verdict = "" if entry.kind is HistoryKind.COMPARISON else entry.outcome
        table.add_row(
            row.time,
            row.place,
            row.what,
            "\n".join((*row.rates, *row.latencies)),
            "\n".join(row.scores),
            Text(verdict, style=OUTCOME_STYLES.get(verdict, "")),
        )
    return table


def _trends(all_series: Sequence[Series], changes: Sequence[Change]) -> Table:
    by_series = {id(change.series): change for change in changes}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Series", overflow="fold")
    table.add_column("Trend", no_wrap=True)
    table.add_column("Newest", justify="right", no_wrap=True)
    table.add_column("Change", justify="right", no_wrap=True)
    table.add_column("Noise", overflow="fold")
    table.add_column("Finding", no_wrap=True)
    for series in all_series:
        if len(series.points) < 2:
            continue
        change = by_series.get(id(series))
        noise = change.noise.half_width if change and change.noise else 0
        newest = series.points[-1].measure.model_copy(update={"low": None, "high": None})
        table.add_row(
            series.title,
            sparkline(series),
            measure_text(newest, noise),
            change_text(change) if change else "",
            noise_text(change) if change else "",
            Text(change.finding, style=_FINDING_STYLES.get(change.finding, "")) if change else "",
        )
    return table


def _step_lines(step: HistoryStep) -> Iterator[str]:
    if not (step.regressed or step.doubtful or step.differences):
        return
    yield f"{step.title}: {step.before} -> {step.after}"
    yield from (f"  regressed: {line.sentence}" for line in step.regressed)
    yield from (f"  worse, be it noise or not: {line.sentence}" for line in step.doubtful)
    yield from (f"  changed: {each}" for each in step.differences)
