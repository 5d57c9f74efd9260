"""The summary of a run directory as tables: on a terminal, and as Markdown."""

from dataclasses import dataclass

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.core.formatting import metric_label, number, number_or_dash, score, table_latency
from weighbridge.core.terminal import OUTCOME_STYLES
from weighbridge.records.notice import heading_of, reason_of
from weighbridge.records.verdict import LatencyFigures
from weighbridge.report.summary import ScenarioSummary, Summary

_CAPTION = "Not verified by MLCommons Association."
_MOST_METRICS = 2  # in the table of results; more have a table of their own
_TIMINGS = ("ttft", "tpot")


@dataclass(frozen=True)
class _Column:
    """A column of a table.

    Attributes:
        name: Its heading.
        cells: One a scenario.
        left: Aligned to the left; numbers are not.
        folds: May be broken into several lines.
    """

    name: str
    cells: tuple[str, ...]
    left: bool = False
    folds: bool = False


def render_summary(summary: Summary) -> Group:
    """Return tables with one line a scenario, and the next steps; a demonstration is marked twice."""
    results, *others = _tables(summary)
    title, caption = _title(summary), _caption(summary)
    tables = [_rich(results, title, caption), *(_rich(columns, None, None) for columns in others)]
    return Group(*tables, *map(Text, _sentences(summary)))


def summary_markdown(summary: Summary) -> str:
    """Return the same as a short page in Markdown."""
    parts = [f"# {_title(summary)}", *map(_markdown, _tables(summary)), _caption(summary)]
    steps = "\n".join(f"- {sentence}" for sentence in _sentences(summary))
    return "\n\n".join([*parts, *([steps] if steps else [])]) + "\n"


def unanswered(issued: int, completed: int) -> list[str]:
    """Return a sentence on the requests of a run that have no answer, or nothing."""
    if issued == completed:
        return []
    return [
        f"{number(issued - completed)} of {number(issued)} requests got no answer. LoadGen counts those as "
        "answered when they failed, so its rate and percentiles say too much."
    ]


def _title(summary: Summary) -> str:
    title = f"Round {summary.round}" + (f", {summary.category}" if summary.category else "")
    return title if summary.submittable else f"{title}: {heading_of(summary)}"


def _caption(summary: Summary) -> str:
    return _CAPTION if summary.submittable else reason_of(summary)


def _sentences(summary: Summary) -> list[str]:
    failures = [
        f"{line.title}: {run} run: {sentence}"
        for line in summary.scenarios
        for run, of in line.runs.items()
        for sentence in unanswered(of.issued, of.completed)
    ]
    return [*failures, *(f"{line.title}: {step}" for line in summary.scenarios for step in line.next_steps)]


def _tables(summary: Summary) -> list[list[_Column]]:
    """Return the columns of each table: results, token latencies if any, and scores where there are many."""
    lines = summary.scenarios
    titles = _Column("Scenario", tuple(line.title for line in lines), left=True)
    names = dict.fromkeys(name for line in lines for name in line.scores)
    scores = [
        _Column(metric_label(name), tuple(_score(line.scores.get(name)) for line in lines)) for name in names
    ]
    apart = len(scores) > _MOST_METRICS
    timings = _timing_columns(lines)
    results = [
        titles,
        _result_column(lines),
        *([] if timings else [_latency_column(lines)]),
        *([] if apart else scores),
        _Column("Verdict", tuple(line.outcome for line in lines), left=True),
        _Column("Files", tuple(line.folder for line in lines), left=True, folds=True),
    ]
    # A terminal of 80 columns has no room for all of them in one table.
    return [results, *([[titles, *timings]] if timings else []), *([[titles, *scores]] if apart else [])]


def _result_column(lines: tuple[ScenarioSummary, ...]) -> _Column:
    """Return the column of the published result."""
    rates = all(line.rate_unit.endswith("/s") for line in lines)
    results = tuple(f"{number_or_dash(line.rate, '.6g')} {line.rate_unit}" for line in lines)
    return _Column("Rate" if rates else "Result", results)


def _latency_column(lines: tuple[ScenarioSummary, ...]) -> _Column:
    latencies = (
        "no limit" if line.p99_latency_s is None else f"{line.p99_latency_s:.3f} s" for line in lines
    )
    return _Column("p99", tuple(latencies))


def _timing_columns(lines: tuple[ScenarioSummary, ...]) -> list[_Column]:
    """Return the columns of the token latencies; none if no scenario has any."""
    timings = {name: [getattr(line, name) for line in lines] for name in _TIMINGS}
    if not any(each is not None for of in timings.values() for each in of):
        return []
    return [_Column(f"{name.upper()} p99", tuple(map(_timing, of))) for name, of in timings.items()]


def _timing(figures: LatencyFigures | None) -> str:
    """Return a 99th percentile, and its limit where there is one, such as '0.412 s (<= 2 s)'."""
    value = table_latency(None if figures is None else figures.p99_s, 3)
    if figures is None or figures.p99_s is None or figures.limit_s is None:
        return value
    limit = f"{figures.limit_s:g} s" if figures.limit_s >= 1 else f"{1000 * figures.limit_s:g} ms"
    return f"{value} (<= {limit})"


def _score(value: float | None) -> str:
    return "-" if value is None else score(value)


def _rich(columns: list[_Column], title: str | None, caption: str | None) -> Table:
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            column.name,
            justify="left" if column.left else "right",
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text(cell, style=OUTCOME_STYLES.get(cell, "")) for cell in cells))
    return table


def _markdown(columns: list[_Column]) -> str:
    rows = [
        [column.name for column in columns],
        ["---" if column.left else "---:" for column in columns],
        *zip(*(column.cells for column in columns), strict=True),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
