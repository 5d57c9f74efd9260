"""A history on a terminal: its results, its series with their trends, regressions, and what else changed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weighbridge.core.terminal import OUTCOME_STYLES
from weighbridge.history.change_words import (
    difference_words,
    measure_words,
    noise_words,
    pair_words,
    setting_words,
    size_words,
    value_words,
)
from weighbridge.history.changes import Change, ChangeFinding, newest_changes
from weighbridge.history.read_history import RecordedEntry
from weighbridge.history.series import Series, series_of
from weighbridge.records.history_entry import HistoryKind

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 24
_MOST_FIGURES = {"speed": 3, "score": 2}
_FINDING_STYLES = {ChangeFinding.REGRESSED: "bold red", ChangeFinding.IMPROVED: "bold green"}


def render_history(shown: Sequence[RecordedEntry], entries: Sequence[RecordedEntry]) -> Group:
    """Return the table of results and, where there is more than one of a kind, that of trends.

    Args:
        shown: Entries of the table.
        entries: All entries, in the order of time, of which series and changes are made.
    """
    all_series = series_of(entries)
    changes = newest_changes(all_series)
    parts: list[RenderableType] = [_results(shown)]
    if any(len(series.points) > 1 for series in all_series):
        parts.append(_trends(all_series, changes))
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
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name, wraps in (
        ("Time (UTC)", False),
        ("Folder", True),
        ("What", True),
        ("Figures", True),
        ("Score", True),
        ("Verdict", True),
    ):
        table.add_column(name, no_wrap=not wraps, overflow="fold")
    for recorded in shown:
        entry = recorded.entry
        verdict = entry.outcome if entry.kind is not HistoryKind.COMPARISON else "-"
        table.add_row(
            f"{entry.time:%Y-%m-%d %H:%M}",
            str(recorded.run_directory),
            f"{entry.kind} {entry.name}",
            _figures(recorded, "speed"),
            _figures(recorded, "score"),
            Text(verdict, style=OUTCOME_STYLES.get(verdict, "")),
        )
    return table


def _figures(recorded: RecordedEntry, aspect: str) -> str:
    measures = [each for each in recorded.entry.measures if each.aspect == aspect]
    most = _MOST_FIGURES[aspect]
    shown = [f"{each.name} {measure_words(each)}" for each in measures[:most]]
    if len(measures) > most:
        shown.append(f"{len(measures) - most} more")
    return "\n".join(shown) or "-"


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
        newest, change = series.points[-1], by_series.get(id(series))
        table.add_row(
            series.title,
            sparkline(series),
            value_words(newest.value, newest.measure),
            difference_words(change) if change else "-",
            noise_words(change).removeprefix("noise ") if change else "-",
            Text(change.finding, style=_FINDING_STYLES.get(change.finding, "")) if change else "-",
        )
    return table


def history_findings(entries: Sequence[RecordedEntry]) -> Iterator[str]:
    """Yield what has changed to the newest result of each kind and name, line by line, and what regressed."""
    changes = newest_changes(series_of(entries))
    pairs: dict[tuple[Path, Path], list[Change]] = {}
    for change in changes:
        pairs.setdefault((change.before.recorded.file, change.after.recorded.file), []).append(change)
    for found in pairs.values():
        yield from _of_pair(found)
    regressed = [change.series.title for change in changes if change.finding is ChangeFinding.REGRESSED]
    if regressed:
        yield f"Regressed: {', '.join(regressed)}."


def _of_pair(changes: Sequence[Change]) -> Iterator[str]:
    worse = [each for each in changes if each.finding is ChangeFinding.REGRESSED]
    unknown = [each for each in changes if each.finding is ChangeFinding.NOT_KNOWN and each.is_worse]
    settings = changes[0].settings
    if not (worse or unknown or settings):
        return
    yield pair_words(changes[0])
    yield from (f"  regressed: {size_words(change)}" for change in worse)
    yield from (f"  worse, be it noise or not: {size_words(change)}" for change in unknown)
    yield from (f"  changed: {setting_words(setting)}" for setting in settings)
