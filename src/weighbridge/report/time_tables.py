"""Tables of time for a terminal: what a plan will take, and where the time of servers went."""

from rich import box
from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from weighbridge.core.formatting import duration
from weighbridge.report.expected_time import ExpectedTime
from weighbridge.report.run_plan import RunPlan, hours
from weighbridge.report.spent_time import LifeTime, Spending, SpentTime

_UNKNOWN = "unknown"


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
    total, at_least = plan.total, "at least " if plan.unknown else ""
    table.add_section()
    table.add_row("to do in all", "", "", f"{at_least}{total}", f"{at_least}{_hours(total, plan.gpus)}")
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
    """Return a table with one line for each life of a server, their sum and its shares."""
    table = _table("Server", "GPUs", "Used by", *map(str.capitalize, Spending), "In all", spent.unit)
    for life in spent.lives:
        table.add_row(
            f"{life.id}{' (goes on)' if life.goes_on else ''}",
            str(life.gpus),
            ", ".join(life.used_by),
            *(duration(life.spent_s[part]) if part in life.spent_s else "" for part in Spending),
            duration(life.total_s),
            f"{_weighted_h(life, spent):.2f}",
        )
    total = spent.hours()
    if total:
        table.add_section()
        values = {part: spent.hours(part) for part in Spending}
        table.add_row("in all", "", f"in {spent.unit}", *map(_two, values.values()), "", f"{total:.2f}")
        shares = (f"{100 * value / total:.1f} %" if value else "" for value in values.values())
        table.add_row("share", "", "", *shares, "", "100 %")
    return Group(table, *map(Text, spent_notes(spent)))


def spent_notes(spent: SpentTime) -> list[str]:
    """Return what a table of spent time does not show, in sentences."""
    notes = []
    if (outside := spent.outside_share) is not None:
        notes.append(f"Outside measured runs: {100 * outside:.1f} % of {spent.hours():.2f} {spent.unit}.")
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


def _two(hours: float) -> str:
    return f"{hours:.2f}" if hours else ""


def _weighted_h(life: LifeTime, spent: SpentTime) -> float:
    return spent.model_copy(update={"lives": (life,)}).hours() if life.gpus or spent.unit != "GPU h" else 0.0


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    folded = {"Work", "Used by"}
    left = folded | {"Step", "", "Server"}
    for column in columns:
        justify: JustifyMethod = "left" if column in left else "right"
        table.add_column(column, justify=justify, no_wrap=column not in folded)
    return table
