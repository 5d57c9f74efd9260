"""A run's state as one plain line, for a log."""

from weighbridge.core.terms import Scenario
from weighbridge.monitor.duration import duration, latency, rate
from weighbridge.records.progress_record import Figures, Phase, State


def line(state: State) -> str:
    """Say all that the panel shows."""
    words = f"{state.label}, {state.phase}, {duration(state.elapsed_s)}"
    parts = [*([_figures(state.figures, state.phase)] if state.figures else []), state.detail]
    said = "; ".join(part for part in parts if part)
    return f"{words}: {said}" if said else words


def _figures(figures: Figures, phase: Phase) -> str:
    server = figures.scenario is Scenario.SERVER
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
        parts.append(f"p50 {latency(figures.p50_s)}{since}, p99 {latency(figures.p99_s)}{limit}")
    if figures.left_s is not None and not phase.over:
        parts.append(f"about {duration(figures.left_s)} left")
    return ", ".join(parts)
