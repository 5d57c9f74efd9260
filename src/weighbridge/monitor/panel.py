"""A run's state as a panel for a terminal of 60 columns or more."""

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from weighbridge.core.terms import Scenario
from weighbridge.monitor.duration import duration, latency, rate
from weighbridge.records.progress_record import Figures, Phase, State

_COLOURS = {Phase.DONE: "green", Phase.ABORTED: "red"}


def panel(state: State, place: str = "", worry: str = "") -> Panel:
    """Draw a state.

    Args:
        state: How the run stands.
        place: Where the run's files are, for those who watch several.
        worry: What makes the state doubtful, such as a process that has died.
    """
    colour = "red" if worry else _COLOURS.get(state.phase, "cyan")
    rows: list[RenderableType] = []
    if state.figures is not None:
        rows += [_bar(state.figures, colour), _table(state, state.figures)]
    if state.detail:
        rows.append(_wrapped(state.detail))
    if state.figures is None:
        rows.append(Text(f"elapsed {duration(state.elapsed_s)}", style="dim"))
    if worry:
        rows.append(_wrapped(worry, "bold red"))
    return Panel(
        Group(*rows),
        title=Text.assemble((state.label, "bold"), ": ", (state.phase.value, colour)),
        title_align="left",
        subtitle=Text(place, style="dim") if place else None,
        subtitle_align="right",
        border_style=colour,
        box=ROUNDED,
    )


def _wrapped(words: str, style: str = "") -> Text:
    """Wrap within the panel, even where the console leaves long lines to the terminal."""
    return Text(words, style=style, no_wrap=False, overflow="fold")


def _bar(figures: Figures, colour: str) -> RenderableType:
    done = figures.completed + figures.failed
    share = done / max(figures.expected, 1)
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right", width=5)
    bar = ProgressBar(total=figures.expected, completed=done, complete_style=colour, finished_style=colour)
    row.add_row(bar, f"{int(share * 100)} %")
    return row


def _table(state: State, figures: Figures) -> Table:
    """Put the figures in rows of a name and two values."""
    server, over = figures.scenario is Scenario.SERVER, state.phase.over
    now = "" if over else f", now {rate(figures.recent_qps)}/s"
    left = "" if over or figures.left_s is None else f"about {duration(figures.left_s)} left"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=len("completed"))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_row(
        "issued",
        f"{figures.issued:,} of {figures.expected:,}",
        f"{figures.open:,} {'in flight' if server else 'waiting'}",
    )
    table.add_row(
        "completed",
        f"{figures.completed:,}",
        Text(f"{figures.failed:,} failed", style="bold red" if figures.failed else ""),
    )
    table.add_row(
        "rate",
        f"{rate(figures.qps)}/s{now}",
        f"{'target' if server else 'expected'} {rate(figures.target_qps)}/s",
    )
    table.add_row("latency", f"p50 {latency(figures.p50_s)}", _p99(figures))
    table.add_row("time", duration(state.elapsed_s), left)
    return table


def _p99(figures: Figures) -> Text:
    words = f"p99 {latency(figures.p99_s)}"
    if figures.limit_s is None:
        return Text(f"{words}, from sending" if figures.scenario is Scenario.OFFLINE else words)
    slow = figures.p99_s is not None and figures.p99_s > figures.limit_s
    return Text.assemble((words, "bold red" if slow else ""), f" (limit {figures.limit_s:g} s)")
