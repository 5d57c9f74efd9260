"""The index of recorded results as Markdown: for a terminal, a repository or an issue."""

from collections.abc import Iterator, Sequence

from weighbridge.core.formatting import NONE
from weighbridge.report.history_rows import ResultRow
from weighbridge.report.history_steps import HistoryStep

_COLUMNS = (
    "Time (UTC)",
    "Run directory",
    "Result",
    "Benchmark",
    "Rate",
    "Latency",
    "Score, speed-up",
    "Verdict",
    "System",
)
_MOST_STEPS = 100  # the page has all


def history_markdown(
    headline: str, lead: str, notes: Sequence[str], rows: Sequence[ResultRow], steps: Sequence[HistoryStep]
) -> str:
    """Return the page: regressions first, then all results, then what changed between them."""
    worse = [step for step in steps if step.regressed]
    parts = [
        "# Results over time",
        _escaped(headline),
        lead,
        "\n".join(f"- {_escaped(note)}" for note in notes),
    ]
    if worse:
        parts += ["## Regressions", "\n".join(_step(step, only_worse=True) for step in worse)]
    if rows:
        parts += ["## Results", _table(rows)]
    if steps:
        parts += ["## What changed", "\n".join(_step(step) for step in steps[:_MOST_STEPS])]
    if len(steps) > _MOST_STEPS:
        parts.append(f"{len(steps) - _MOST_STEPS} older steps are in index.html.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Sequence[ResultRow]) -> str:
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: ResultRow) -> Iterator[str]:
    texts = (
        row.time,
        row.place,
        row.what,
        row.benchmark,
        *map("; ".join, (row.rates, row.latencies, row.scores)),
    )
    outcome = "; ".join((*row.outcome, row.note) if row.note else row.outcome)
    for column, text in zip(_COLUMNS, (*texts, outcome, row.system), strict=True):
        escaped = _escaped(text) or NONE
        yield f"[{escaped}]({row.link})" if column == "Result" and row.link else escaped


def _escaped(text: str) -> str:
    """Return a text that neither ends a cell nor is taken for markup or HTML."""
    plain = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    return plain.replace("](", "]\\(").replace("*", "\\*").replace("_", "\\_")


def _step(step: HistoryStep, *, only_worse: bool = False) -> str:
    lines = step.regressed if only_worse else step.lines
    when = "" if step.newest or not only_worse else " (not the newest result)"
    head = f"- **{_escaped(step.title)}**{when}: {_escaped(step.before)} → {_escaped(step.after)}"
    figures = [f"  - {line.finding}: {_escaped(line.sentence)}" for line in lines]
    differences = "; ".join(_difference(each) for each in step.differences)
    return "\n".join([head, *figures, f"  - {differences or 'no recorded setting differs'}"])


def _difference(text: str) -> str:
    """Return a difference with its setting's name as code, where nothing is escaped."""
    name, mark, rest = text.removeprefix("`").partition("`")
    return f"`{name}`{_escaped(rest)}" if mark and text.startswith("`") else _escaped(text)
