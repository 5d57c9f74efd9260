"""A run's state as a panel for a terminal of 60 columns or more."""

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from weighbridge.progress.state import Figures, Phase, State
from weighbridge.progress.words import duration, latency, rate
from weighbridge.terms import Scenario

_MOST_COLUMNS = 100
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
        rows += [_bar(state.figures), _table(state, state.figures)]
    if state.detail:
        rows.append(Text(state.detail, overflow="fold"))
    if state.figures is None:
        rows.append(Text(f"elapsed {duration(state.elapsed_s)}", style="dim"))
    if worry:
        rows.append(Text(worry, style="bold red"))
    return Panel(
        Group(*rows),
        title=Text.assemble((state.label, "bold"), ": ", (state.phase.value, colour)),
        title_align="left",
        subtitle=Text(place, style="dim") if place else None,
        subtitle_align="right",
        border_style=colour,
        box=ROUNDED,
        width=None,
    )


def _bar(figures: Figures) -> RenderableType:
    done = figures.completed + figures.failed
    share = done / max(figures.expected, 1)
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right", width=5)
    row.add_row(ProgressBar(total=figures.expected, completed=done), f"{int(share * 100)} %")
    return row


def _table(state: State, figures: Figures) -> Table:
    """Put the figures in pairs: two columns of names, two of values."""
    server = figures.scenario is Scenario.SERVER
    over = state.phase.over
    table = Table.grid(padding=(0, 1))
    for style in ("dim", "", "dim", ""):
        table.add_column(style=style, no_wrap=True, min_width=9 if style else 16)
    table.add_row(
        "issued",
        f"{figures.issued:,} of {figures.expected:,}",
        "in flight" if server else "waiting",
        f"{figures.open:,}",
    )
    table.add_row(
        "completed",
        f"{figures.completed:,}",
        "failed",
        Text(f"{figures.failed:,}", style="bold red" if figures.failed else ""),
    )
    table.add_row(
        "a second",
        rate(figures.qps) if over else f"{rate(figures.qps)}, now {rate(figures.recent_qps)}",
        "target" if server else "expected",
        rate(figures.target_qps),
    )
    table.add_row("p50" if server else "p50 sent", latency(figures.p50_s), "p99", _p99(figures))
    table.add_row(
        "elapsed",
        duration(state.elapsed_s),
        "" if over else "left",
        "" if over or figures.left_s is None else f"about {duration(figures.left_s)}",
    )
    return table


def _p99(figures: Figures) -> Text:
    words = latency(figures.p99_s)
    if figures.limit_s is None:
        return Text(words)
    slow = figures.p99_s is not None and figures.p99_s > figures.limit_s
    return Text.assemble((words, "bold red" if slow else ""), f" (limit {figures.limit_s:g} s)")
