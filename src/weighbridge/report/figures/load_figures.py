"""Figures of the load: requests per second, how many are under way, and the tokens of the answers."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from weighbridge.report.figures.style import ACCENT, INK, WASH, legend, new_figure, time_axis
from weighbridge.report.request_series import Windows
from weighbridge.report.telemetry_series import Curve

_MOST_BINS = 60


def requests(windows: Windows, in_flight: Sequence[tuple[float, int]], duration_s: float) -> Figure:
    """Draw requests sent and completed per second, and below them those under way.

    Args:
        windows: With the values 'sent' and 'completed', per second.
        in_flight: Seconds since the first issue, and requests out.
        duration_s: Of the run.
    """
    figure, [rates, under_way] = new_figure(rows=2)
    rates.stairs(
        windows.values["sent"], _edges(windows), color=INK, linestyle="--", baseline=None, label="sent"
    )
    rates.stairs(
        windows.values["completed"],
        _edges(windows),
        color=ACCENT,
        linewidth=1.6,
        baseline=None,
        label="completed",
    )
    # Offline sends as much as the server takes at once: that first peak may leave the picture.
    sent, completed = (float(windows.values[name].max()) for name in ("sent", "completed"))
    rates.set_ylim(0, 1.12 * min(max(sent, completed), 2 * completed) or 1)
    rates.set_title("requests/s")
    legend(rates)
    seconds, out = np.array(in_flight, dtype=np.float64).reshape(-1, 2).T
    under_way.fill_between(seconds, out, color=WASH, linewidth=0)
    under_way.plot(seconds, out, color=ACCENT, linewidth=1.2)
    under_way.set_ylim(bottom=0)
    under_way.set_title("in flight")
    time_axis(under_way, duration_s)
    return figure


def answer_tokens(tokens: NDArray[np.int64]) -> Figure:
    """Draw a histogram of the answers' lengths, in tokens."""
    figure, [axes] = new_figure()
    low, high = int(tokens.min()), int(tokens.max())
    # Whole tokens: bins of equal, whole width, or a short range shows gaps that are not there.
    width = max(1, -(-(high - low + 1) // _MOST_BINS))
    counts, edges = np.histogram(tokens, np.arange(low, high + width + 1, width) - 0.5)
    axes.stairs(counts, edges, fill=True, color=WASH)
    axes.stairs(counts, edges, color=ACCENT, linewidth=1.2)
    axes.set_ylim(bottom=0)
    axes.set_title("answers")
    axes.set_xlabel("tokens")
    return figure


def token_rate(curve: Curve, duration_s: float) -> Figure:
    """Draw generated tokens per second over time."""
    figure, [axes] = new_figure()
    axes.fill_between(curve.time_s, curve.value, color=WASH, linewidth=0)
    axes.plot(curve.time_s, curve.value, color=ACCENT)
    axes.set_ylim(bottom=0)
    axes.set_title("generated tokens/s")
    time_axis(axes, duration_s)
    return figure


def _edges(windows: Windows) -> NDArray[np.float64]:
    edges: NDArray[np.float64] = np.append(
        windows.middle_s - windows.width_s / 2, windows.middle_s[-1] + windows.width_s / 2
    )
    return edges
