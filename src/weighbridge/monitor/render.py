"""Render runs for people: one as a line for a log or a panel for a terminal, many as an overview."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from weighbridge.core.formatting import duration, latency, rate
from weighbridge.monitor.follow import RunStatus
from weighbridge.records.progress_record import Phase, ProgressFigures, State

_COLORS = {Phase.DONE: "green", Phase.ABORTED: "red"}
_LINE_EVERY_S = 10.0


def render_line(state: State) -> str:
    """Return the state of a run as one plain line, with all that its panel shows."""
    head = f"{state.label}, {state.phase}, {duration(state.elapsed_s)}"
    figures = _figures_text(state.figures, state.phase) if state.figures else ""
    # The whole sentence is logged once; what ended a run is its detail.
    lost = "cannot pass any more" if state.lost and state.phase is not Phase.ABORTED else ""
    parts = [figures, state.trouble, lost, state.detail]
    rest = "; ".join(part for part in parts if part)
    return f"{head}: {rest}" if rest else head


def _figures_text(figures: ProgressFigures, phase: Phase) -> str:
    server = figures.scheduled
    of = f"{'target' if server else 'expected'} {rate(figures.target_qps)}"
    if phase.over:
        parts = [f"completed {figures.completed} of {figures.expected} ({rate(figures.qps)} a second, {of})"]
    else:
        rates = f"{rate(figures.qps)} a second, now {rate(figures.recent_qps)}, {of}"
        parts = [
            f"issued {figures.issued} of {figures.expected}",
            f"completed {figures.completed} ({rates})",
            f"{'in flight' if server else 'waiting'} {figures.open}",
        ]
    parts.append(f"failed {figures.failed}")
    if figures.p99_s is not None:
        limit = f" (limit {figures.limit_s:g} s)" if figures.limit_s else ""
        since = "" if server else " from sending"
        p50 = _bounded(figures.p50_s, at_least=figures.p50_at_least)
        p99 = _bounded(figures.p99_s, at_least=figures.p99_at_least)
        parts.append(f"p50 {p50}{since}, p99 {p99}{limit}")
    if figures.late:
        parts.append(f"late {figures.late}")
    if figures.left_s is not None and not phase.over:
        parts.append(f"about {duration(figures.left_s)} left")
    return ", ".join(parts)


def _bounded(seconds: float | None, *, at_least: bool, sign: str = ">=") -> str:
    """Return a latency, with a sign where requests without an answer make it a bound only."""
    return f"{sign} {latency(seconds)}" if at_least else latency(seconds)


def render_panel(state: State, folder: str = "", stale_reason: str = "") -> Panel:
    """Draw the state of a run as a panel, for a terminal of 60 columns or more.

    Args:
        state: The run's state.
        folder: The run's folder, shown below; "" for none.
        stale_reason: Why the run may no longer be alive; "" where it is.
    """
    color = "red" if stale_reason else _COLORS.get(state.phase, "cyan")
    rows: list[RenderableType] = []
    if state.figures is not None:
        rows += [_bar(state.figures, color), _table(state, state.figures)]
    if state.trouble:
        rows.append(_wrapped(state.trouble, "bold red"))
    if state.lost and state.phase is not Phase.ABORTED:
        rows.append(_wrapped(state.lost, "bold red"))
    if state.detail:
        rows.append(_wrapped(state.detail))
    if state.figures is None:
        rows.append(Text(f"elapsed {duration(state.elapsed_s)}", style="dim"))
    if stale_reason:
        rows.append(_wrapped(stale_reason, "bold red"))
    return Panel(
        Group(*rows),
        title=Text.assemble((state.label, "bold"), ": ", (state.phase.value, color)),
        title_align="left",
        subtitle=Text(folder, style="dim") if folder else None,
        subtitle_align="right",
        border_style=color,
        box=ROUNDED,
    )


def _wrapped(text: str, style: str = "") -> Text:
    """Wrap within the panel, even where the console leaves long lines to the terminal."""
    return Text(text, style=style, no_wrap=False, overflow="fold")


def _bar(figures: ProgressFigures, color: str) -> RenderableType:
    done = figures.completed + figures.failed
    share = done / max(figures.expected, 1)
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right", width=5)
    bar = ProgressBar(total=figures.expected, completed=done, complete_style=color, finished_style=color)
    row.add_row(bar, f"{int(share * 100)} %")
    return row


def _table(state: State, figures: ProgressFigures) -> Table:
    """Return the figures as rows of a name and two values."""
    server, over = figures.scheduled, state.phase.over
    now = "" if over else f", now {rate(figures.recent_qps)}/s"
    left = "" if over or figures.left_s is None else f"about {duration(figures.left_s)} left"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=len("completed"))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
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
    p50 = _bounded(figures.p50_s, at_least=figures.p50_at_least, sign="≥")
    table.add_row("latency", f"p50 {p50}", _p99(figures))
    if figures.late:
        share = 100 * figures.late / max(figures.issued, 1)
        table.add_row("late", f"{figures.late:,}", f"{share:.3g} % of those issued")
    table.add_row("time", duration(state.elapsed_s), left)
    return table


def _p99(figures: ProgressFigures) -> Text:
    text = f"p99 {_bounded(figures.p99_s, at_least=figures.p99_at_least, sign='≥')}"
    if figures.limit_s is None:
        return Text(f"{text}, from sending" if not figures.scheduled else text)
    slow = figures.p99_s is not None and figures.p99_s > figures.limit_s
    return Text.assemble((text, "bold red" if slow else ""), f" (limit {figures.limit_s:g} s)")


def render_overview(runs: Sequence[RunStatus], root: Path) -> RenderableType:
    """Draw many runs: a panel for each active one; below them, where a low terminal cuts, a line for others.

    Args:
        runs: The runs.
        root: The folder they were found in; panels show their folders relative to it.
    """
    active: list[RenderableType] = [
        render_panel(run.state, run.folder.relative_to(root).as_posix(), run.stale_reason)
        for run in runs
        if run.active
    ]
    ended = [_ended(run) for run in runs if not run.active]
    return Group(*(active or [Text(no_active_run(runs, root), style="dim")]), *ended)


def _ended(run: RunStatus) -> Text:
    done = run.state.phase is Phase.DONE
    return Text.assemble(("✓ " if done else "✗ ", "green" if done else "red"), render_line(run.state))


def status_line(run: RunStatus) -> str:
    """Return a run's line, with the reason why it may no longer be alive."""
    return f"{render_line(run.state)}{f'; {run.stale_reason}' if run.stale_reason else ''}"


def no_active_run(runs: Sequence[RunStatus], root: Path) -> str:
    """Return the sentence for a folder in which no run is active."""
    if runs:
        return "no run is active"
    return f"no run has begun in {root} (a run directory, its results, or a run's folder)"


class StatusLines:
    """Selects the lines that are due: a run begins, changes its phase, goes stale; figures every 10 s."""

    def __init__(self, root: Path) -> None:
        """Select lines for the runs of a folder."""
        self._root = root
        self._shown: dict[Path, tuple[tuple[object, ...], float]] = {}
        self._no_active_run = ""

    def due(self, runs: Sequence[RunStatus]) -> Iterator[str]:
        """Yield the lines that are due now; without an active run, once that there is none."""
        yield from self.due_of_runs(runs)
        sentence = "" if any(run.active for run in runs) else no_active_run(runs, self._root)
        if sentence and sentence != self._no_active_run:
            yield f"{sentence}; waiting for the next"
        self._no_active_run = sentence

    def due_of_runs(self, runs: Sequence[RunStatus]) -> Iterator[str]:
        """Yield the lines of runs that are due now."""
        now = time.monotonic()
        for run in runs:
            state = run.state
            key = (state.label, state.phase, bool(run.stale_reason), bool(state.trouble), bool(state.lost))
            shown, shown_s = self._shown.get(run.folder, ((), 0.0))
            if key != shown or (run.active and not run.stale_reason and now - shown_s >= _LINE_EVERY_S):
                self._shown[run.folder] = (key, now)
                newly_lost = run.active and state.lost and not (shown and shown[-1])
                yield f"{status_line(run)}{f': {state.lost}' if newly_lost else ''}"
