"""Figures of latency: how it is spread, how its tail falls off, how it moves during a run."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from weighbridge.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    WASH,
    legend,
    new_figure,
    seconds_axis,
    time_axis,
)
from weighbridge.report.request_series import Floats, Windows, survivors

_BINS = 60
_TAIL = (1.0, 0.1, 0.01, 0.001, 0.0001)


def distribution(latency_s: Floats, limit_s: float | None) -> Figure:
    """Draw a histogram of latencies, in seconds."""
    figure, [axes] = new_figure()
    largest = float(latency_s.max())
    counts, edges = np.histogram(latency_s, np.linspace(0, largest, _BINS + 1))
    axes.stairs(counts, edges, fill=True, color=WASH)
    axes.stairs(counts, edges, color=ACCENT, linewidth=1.2)
    axes.set_title("requests")
    axes.set_xlabel("latency, seconds")
    axes.set_ylim(bottom=0)
    seconds_axis(axes, largest, limit_s, vertical=False)
    return figure


def cumulative(latency_s: Floats, limit_s: float | None, percentile: float) -> Figure:
    """Draw which share of requests took at most how long, with the tail stretched out.

    Args:
        latency_s: Seconds, of every request.
        limit_s: Limit of the percentile; None where there is none.
        percentile: Which the limit is for, 0 to 1.
    """
    figure, [axes] = new_figure()
    seconds, slower = survivors(latency_s)
    lowest = max(0.5 / len(latency_s), 1e-5)
    # The slowest request, which none exceeds, has no place on a logarithmic axis.
    axes.plot(seconds[:-1], slower[:-1], color=ACCENT)
    axes.set_yscale("log")
    axes.set_ylim(1.25, lowest)
    axes.yaxis.set_major_locator(FixedLocator([each for each in (0.5, *_TAIL[1:]) if each >= lowest]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * (1 - value):.5g} %"))
    axes.axhline(1 - percentile, color=MUTED, linewidth=1.2, linestyle=":")
    axes.set_title("share answered by then")
    axes.set_xlabel("latency, seconds")
    seconds_axis(axes, float(latency_s.max()), limit_s, vertical=False)
    return figure


def over_time(windows: Windows, duration_s: float, limit_s: float | None) -> Figure:
    """Draw p50 and p99 of the requests issued in each window."""
    figure, [axes] = new_figure()
    axes.plot(windows.middle_s, windows.values["p99"], color=ACCENT, label="p99")
    axes.plot(windows.middle_s, windows.values["p50"], color=INK, linewidth=1.2, linestyle="--", label="p50")
    seconds_axis(axes, float(np.nanmax(windows.values["p99"])), limit_s, vertical=True)
    axes.set_title("latency, seconds")
    time_axis(axes, duration_s)
    legend(axes)
    return figure
