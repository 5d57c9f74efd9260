"""Tables of time for a terminal: what a plan will take, and where the time of servers went."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from weighbridge.core.formatting import duration
from weighbridge.report.expected_time import ExpectedTime
from weighbridge.report.run_plan import RunPlan, hours
from weighbridge.report.spent_time import LifeTime, SpentTime, in_hours

_UNKNOWN = "unknown"
_MOST_STARTS = 4


def render_plan(plan: RunPlan) -> Group:
    """Return a table with one line for each thing that is done, its sum, and what is not known."""
    unit = "GPU h" if plan.gpus else "Server h"
    table = _table("Step", "", "Work", "Time", unit)
    for row in plan.rows:
        costs = row.on_server and row.state == "to do"
        table.add_row(
            row.name,
            Text(row.state, style="bold" if row.state == "to do" else "dim"),
            row.work,
            _UNKNOWN if row.expected is None else str(row.expected),
            _hours(row.expected, plan.gpus) if costs else "",
        )
    total = plan.total
    table.add_section()
    table.add_row(
        f"in all{', at least' if plan.unknown else ''}", "", "", str(total), _hours(total, plan.gpus)
    )
    notes = (
        [Text(f"Not counted, because nobody knows it: {', '.join(plan.unknown)}.")] if plan.unknown else []
    )
    if not any(row.state == "to do" for row in plan.rows):
        notes.append(
            Text("No run is to be made: the results are there, or nothing that was asked for needs one.")
        )
    return Group(table, *notes)


def _hours(expected: ExpectedTime | None, gpus: int) -> str:
    if expected is None:
        return _UNKNOWN
    least, most = (f"{value:.{1 if value >= 1 else 2}f}" for value in hours(expected, gpus))
    return least if least == most else f"{least} to {most}"


def render_spent(spent: SpentTime) -> Group:
    """Return a table with a line for each kind of time: in each start of a server, in all, and its share.

    More starts than a terminal has room for are given in all only.
    """
    lives = spent.lives if len(spent.lives) <= _MOST_STARTS else ()
    table = _table("Time", *(f"Start {number}" for number in _numbers(lives)), spent.unit, "Share")
    total = spent.hours()
    for part, in_all in in_hours(spent).items():
        each = (duration(life.spent_s[part]) if part in life.spent_s else "" for life in lives)
        table.add_row(part.capitalize(), *each, f"{in_all:.3g}", f"{100 * in_all / total:.1f} %")
    table.add_section()
    table.add_row("In all", *(duration(life.total_s) for life in lives), f"{total:.3g}", "100 %")
    starts = [Text(_described(number, life)) for number, life in enumerate(spent.lives, start=1)]
    return Group(*([table] if total else []), *starts, *map(Text, spent_notes(spent)))


def _numbers(lives: Sequence[LifeTime]) -> range:
    return range(1, len(lives) + 1)


def _described(number: int, life: LifeTime) -> str:
    gpus = f"{life.gpus} GPUs, " if life.gpus else ""
    end = "; it goes on" if life.goes_on else ""
    return f"Start {number}: {life.id}, {gpus}used by {', '.join(life.used_by)}{end}."


def spent_notes(spent: SpentTime) -> list[str]:
    """Return what a table of spent time does not show, in sentences."""
    notes = []
    if (outside := spent.outside_share) is not None:
        notes.append(f"Outside measured runs: {100 * outside:.1f} % of {spent.hours():.3g} {spent.unit}.")
    for life in spent.lives:
        if life.stages_s:
            stages = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in life.stages_s.items())
            notes.append(f"Start of {life.id}: {stages}.")
    if spent.downloads_s:
        fetched = ", ".join(f"{kind} {duration(seconds)}" for kind, seconds in spent.downloads_s.items())
        notes.append(f"Fetching and verifying, no GPU time: {fetched}.")
    if spent.not_recorded:
        count = len(spent.not_recorded)
        named = ", ".join(spent.not_recorded[:4]) + (" and others" if count > 4 else "")
        notes.append(f"Not recorded: the servers of {count} runs of an earlier release or by hand ({named}).")
    if not spent.lives and not spent.not_recorded:
        notes.append("No server was started for these results.")
    return notes


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    folded = {"Work"}
    left = folded | {""}
    for column in columns:
        justify: JustifyMethod = "left" if column in left or not table.columns else "right"
        table.add_column(column, justify=justify, no_wrap=column not in folded)
    return table
