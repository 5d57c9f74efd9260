"""A history on a terminal: its results, its series with their trends, what changed, and what regressed."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weighbridge.core.terminal import OUTCOME_STYLES
from weighbridge.history.changes import Change, ChangeFinding, newest_changes
from weighbridge.history.history_values import bare_text, change_text, noise_text
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.result_measures import SPEED_UP_UNIT
from weighbridge.history.series import Series, series_of
from weighbridge.records.history_entry import HistoryEntry, HistoryKind
from weighbridge.report.history_rows import place_names, time_text, title_of
from weighbridge.report.history_steps import HistoryStep, steps_of

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 12
_MOST_SPEED_UPS = 3
_FINDING_STYLES = {ChangeFinding.REGRESSED: "bold red", ChangeFinding.IMPROVED: "bold green"}


def render_history(shown: Sequence[RecordedEntry], entries: Sequence[RecordedEntry]) -> Group:
    """Return all that a terminal shows, to be printed without wrapping lines.

    The results, the newest last; the trends, where there are several of a kind; what has changed to the
    newest result of each kind and name; and what regressed.

    Args:
        shown: Entries of the table of results.
        entries: All entries, in the order of time, of which series and changes are made.
    """
    all_series = [series for series in series_of(entries) if len(series.points) > 1]
    changes = newest_changes(all_series)
    parts: list[RenderableType] = [_results(shown)]
    if all_series:
        parts.append(_trends(all_series, changes))
    parts += map(Text, _findings(changes))
    return Group(*parts)


def sparkline(series: Series) -> str:
    """Return a series as a line of bars, the newest last: from the lowest value to the highest."""
    values = [point.value for point in series.points[-_MOST_BARS:]]
    low, high = min(values), max(values)
    if low == high:
        return _BARS[len(_BARS) // 2] * len(values)
    steps = (len(_BARS) - 1) / (high - low)
    return "".join(_BARS[round((value - low) * steps)] for value in values)


def _results(shown: Sequence[RecordedEntry]) -> Table:
    places = place_names([each.run_directory for each in shown])
    table = _table()
    table.add_column("Time (UTC)", no_wrap=True)
    # The widths of the others give way: a path that is broken cannot be copied.
    table.add_column("Folder", no_wrap=True, min_width=max(map(len, places.values()), default=0))
    for name in ("Result", "Main figures"):
        table.add_column(name, overflow="fold")
    table.add_column("Verdict", no_wrap=True)
    for recorded in shown:
        entry = recorded.entry
        # Comparisons have no verdict but sentences, which say what their speed-ups do.
        verdict = "" if entry.kind is HistoryKind.COMPARISON else entry.outcome
        table.add_row(
            time_text(entry),
            Text(places[recorded.run_directory]),
            Text(title_of(entry.kind, entry.name)),
            Text(_main_figures(entry)),
            Text(verdict, style=OUTCOME_STYLES.get(verdict, "")),
        )
    return table


def _main_figures(entry: HistoryEntry) -> str:
    """Return the first speed and the first score, or several speed-ups; --json has all figures."""
    speeds, scores = ([each for each in entry.measures if each.aspect == of] for of in ("speed", "score"))
    shown, left = [*speeds[:1], *scores[:1]], 0
    if entry.kind is HistoryKind.COMPARISON:
        speed_ups = [each for each in speeds if each.unit == SPEED_UP_UNIT] or speeds[:1]
        shown, left = [*speed_ups[:_MOST_SPEED_UPS], *scores[:1]], len(speed_ups[_MOST_SPEED_UPS:])
    texts = [f"{each.name} {bare_text(each)}".removeprefix("rate ") for each in shown]
    return "; ".join([*texts, f"and {left} more speed-ups"] if left else texts)


def _trends(all_series: Sequence[Series], changes: Sequence[Change]) -> Table:
    by_series = {id(change.series): change for change in changes}
    table = _table()
    table.add_column("Series", overflow="fold")
    table.add_column("Trend", no_wrap=True)
    for name in ("Newest", "Change", "Noise"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Finding", no_wrap=True)
    for series in all_series:
        change = by_series.get(id(series))
        table.add_row(
            Text(series.title),
            sparkline(series),
            bare_text(series.measure, change.resolution if change else 0),
            change_text(change) if change else "",
            noise_text(change) if change else "",
            Text(change.finding, style=_FINDING_STYLES.get(change.finding, "")) if change else "",
        )
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, padding=(0, 1, 0, 0))


def _findings(changes: Sequence[Change]) -> Iterator[str]:
    for step in steps_of(changes):
        yield from _step_lines(step)
    regressed = [change.series.title for change in changes if change.finding is ChangeFinding.REGRESSED]
    if regressed:
        yield f"Regressed: {'; '.join(regressed)}."


def _step_lines(step: HistoryStep) -> Iterator[str]:
    if not (step.regressed or step.doubtful or step.differences):
        return
    yield f"{step.title}: {step.before} -> {step.after}"
    yield from (f"  regressed: {line.sentence}" for line in step.regressed)
    yield from (f"  worse, be it noise or not: {line.sentence}" for line in step.doubtful)
    yield from (f"  changed: {each.replace('`', '')}" for each in step.differences)
