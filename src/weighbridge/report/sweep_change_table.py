"""The terminal's table of two recorded sweeps."""

from collections.abc import Iterator

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.core.formatting import NONE
from weighbridge.core.long_names import short_names, whole_line, whole_lines
from weighbridge.records.comparison import ComparisonResult
from weighbridge.records.sweep_change import ChangedRow, SweepChange

_STYLES = {
    ComparisonResult.FASTER: "bold green",
    ComparisonResult.SLOWER: "bold red",
    ComparisonResult.INDICATIVE_SLOWER: "red",
    ComparisonResult.INDICATIVE_FASTER: "green",
    ComparisonResult.NOT_COMPARABLE: "bold yellow",
}
_SYSTEM_WIDTH = 16


def render_change(change: SweepChange) -> Group:
    """Return the table of all rows, new by old, and what weakens it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    short = short_names(map(_name, change.rows), "system", _SYSTEM_WIDTH)
    table.add_column("Workload", overflow="fold", min_width=8)
    table.add_column("Load", overflow="fold")
    table.add_column("System", no_wrap=True)
    table.add_column("Speed-up [95 %]", justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    for row in change.rows:
        verdict = Text(row.result, style=_STYLES.get(row.result, ""))
        name = short.get(_name(row), _name(row))
        table.add_row(row.workload, row.level, name, _speed_up(row), verdict)
    notes = (Text(each, overflow="ignore") for each in _notes(change))
    return Group(whole_line(f"{change.new} by {change.old}"), table, *whole_lines(short), *notes)


def _name(row: ChangedRow) -> str:
    return row.system if row.system == row.before else f"{row.system} (was {row.before})"


def _speed_up(row: ChangedRow) -> str:
    if row.speed_up is None:
        return NONE
    found = row.speed_up
    if found.low is None or found.high is None:
        return f"{row.metric} {found.ratio:.3f}"
    return f"{row.metric} {found.ratio:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _notes(change: SweepChange) -> Iterator[str]:
    if change.anchor is None:
        yield (
            "No other system is the same in both sweeps, so a change of the machine is in the ratios, and "
            "verdicts are indicative."
        )
    else:
        machine = dict.fromkeys(f"{row.machine:.3f}" for row in change.rows if row.machine is not None)
        own = f" ({', '.join(machine)})" if machine else ""
        yield f"By {change.anchor}, the same in both, whose own change{own} is the machine's."
    for row in change.rows:
        for reason in row.reasons:
            yield f"{row.system} at {row.workload}, {row.level}: {reason}."
    yield from change.warnings
