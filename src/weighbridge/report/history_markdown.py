"""The index of recorded results as Markdown: for a terminal, a repository or an issue."""

from collections.abc import Iterator, Sequence

from weighbridge.core.formatting import NONE
from weighbridge.history.changes import ChangeFinding
from weighbridge.report.history_index import HistoryIndex
from weighbridge.report.history_rows import ResultRow
from weighbridge.report.history_steps import HistoryStep, StepLine

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
_FINDINGS = {finding: str(finding) for finding in ChangeFinding} | {ChangeFinding.NOT_KNOWN: "not judged"}
_MOST_STEPS = 100  # the page has all


def history_markdown(index: HistoryIndex) -> str:
    """Return the page: what fails or is worse first, then all results, then what changed between them."""
    worse = [
        *(f"- {_escaped(sentence)}" for sentence in index.failures),
        *(_step(step, step.regressed) for step in index.regressed),
        *(_step(step, step.doubtful) for step in index.doubtful),
    ]
    parts = [
        "# Results over time",
        _escaped(index.headline),
        index.lead,
        "\n".join(f"- {_escaped(note)}" for note in index.notes),
    ]
    if worse:
        parts += ["## Regressions", "\n".join(worse)]
    if index.rows:
        parts += ["## Results", _table(index.rows)]
    if index.steps:
        steps = index.steps[:_MOST_STEPS]
        parts += ["## What changed", "\n".join(_step(step, step.lines) for step in steps)]
    if len(index.steps) > _MOST_STEPS:
        parts.append(f"{len(index.steps) - _MOST_STEPS} older steps are in index.html.")
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


def _step(step: HistoryStep, lines: Sequence[StepLine]) -> str:
    head = f"- **{_escaped(step.title)}**: {_escaped(step.before)} → {_escaped(step.after)}"
    figures = [f"  - {_FINDINGS[line.finding]}: {_escaped(line.sentence)}" for line in lines]
    differences = "; ".join(_difference(each) for each in step.differences)
    return "\n".join([head, *figures, f"  - {differences or 'no recorded setting differs'}"])


def _difference(text: str) -> str:
    """Return a difference with its setting's name as code, where nothing is escaped."""
    name, mark, rest = text.removeprefix("`").partition("`")
    return f"`{name}`{_escaped(rest)}" if mark and text.startswith("`") else _escaped(text)
