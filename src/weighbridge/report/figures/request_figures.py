"""Charts of a run's requests and of the peak search: latencies, rates, requests in flight, tokens."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from weighbridge.config.scenario_rules import LatencyLimit
from weighbridge.records.search_record import Peak, Probe
from weighbridge.records.telemetry_readings import TimeSeries
from weighbridge.report.figures.style import (
    ACCENT,
    BAD,
    CARD,
    INK,
    LINE,
    MUTED,
    WASH,
    legend,
    new_figure,
    seconds_axis,
    time_axis,
)
from weighbridge.report.request_series import Floats, Windows, survivors

LATENCY_NAMES = {"latency": "latency", "ttft": "time to first token", "tpot": "time per output token"}
"""What a limit of a round is of, for people."""
_MOST_BINS = 60
_TAIL_TICKS = (0.5, 0.1, 0.01, 0.001, 0.0001)  # shares of requests that take longer
_HIGHEST_LATENCY = 2  # times the limit; higher ones of overloaded probes would flatten the others


def latency_distribution(latency_s: Floats, limit_s: float | None, name: str = "latency") -> Figure:
    """Return a histogram of latencies.

    Args:
        latency_s: Seconds, of every request, shape (n,); infinity, of a failed one, is not drawn.
        limit_s: Limit to mark, in seconds; None: there is none.
        name: What they are.
    """
    figure, [axes] = new_figure()
    answered_s = latency_s[np.isfinite(latency_s)]
    largest = _largest(answered_s)
    counts, edges = np.histogram(answered_s, np.linspace(0, largest, _MOST_BINS + 1))
    axes.stairs(counts, edges, fill=True, color=WASH)
    axes.stairs(counts, edges, color=ACCENT, linewidth=1.2)
    axes.set_title("requests")
    axes.set_xlabel(f"{name}, seconds")
    axes.set_ylim(bottom=0)
    seconds_axis(axes, largest, limit_s, vertical=False)
    return figure


def cumulative_latency(latency_s: Floats, limit: LatencyLimit | None, name: str = "latency") -> Figure:
    """Return the share of requests answered within each latency, with a logarithmic tail.

    Args:
        latency_s: Seconds, of every request, shape (n,); infinity for a failed one, which no latency reaches.
        limit: Limit and percentile to mark; None: there is none.
        name: What they are.
    """
    figure, [axes] = new_figure()
    seconds, slower = survivors(latency_s)
    lowest = max(0.5 / len(latency_s), 1e-5)
    # No request exceeds the slowest one; a share of 0 cannot be drawn on a logarithmic axis.
    drawn = np.isfinite(seconds) & (slower > 0)
    axes.plot(seconds[drawn], slower[drawn], color=ACCENT)
    axes.set_yscale("log")
    axes.set_ylim(1.25, lowest)
    axes.yaxis.set_major_locator(FixedLocator([each for each in _TAIL_TICKS if each >= lowest]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * (1 - value):.5g} %"))
    if limit is not None:
        axes.axhline(1 - limit.percentile, color=MUTED, linewidth=1.2, linestyle=":")
    axes.set_title("share answered by then")
    axes.set_xlabel(f"{name}, seconds")
    limit_s = None if limit is None else limit.limit_s
    seconds_axis(axes, _largest(latency_s), limit_s, vertical=False)
    return figure


def latency_over_time(
    windows: Windows, duration_s: float, limit_s: float | None, name: str = "latency"
) -> Figure:
    """Return p50 and p99 of the requests issued in each window, over the time of issue.

    A cross at the upper edge marks a window whose p99 is infinity: too many of its requests failed.
    """
    figure, [axes] = new_figure()
    axes.plot(windows.middle_s, windows.values["p99"], color=ACCENT, label="p99")
    axes.plot(windows.middle_s, windows.values["p50"], color=INK, linewidth=1.2, linestyle="--", label="p50")
    failed_s = windows.middle_s[np.isposinf(windows.values["p99"])]
    if len(failed_s):
        axes.plot(
            failed_s,
            np.full(len(failed_s), 0.97),
            "x",
            color=BAD,
            markersize=5,
            transform=axes.get_xaxis_transform(),
            label="p99: no answer",
        )
    seconds_axis(axes, _largest(windows.values["p50"], windows.values["p99"]), limit_s, vertical=True)
    axes.set_title(f"{name}, seconds")
    time_axis(axes, duration_s)
    legend(axes)
    return figure


def _largest(*values: Floats) -> float:
    """Return the largest finite value; 0 where there is none."""
    every = np.concatenate(values)
    return float(every[np.isfinite(every)].max(initial=0.0))


def request_rates(windows: Windows, in_flight: Sequence[tuple[float, int]], duration_s: float) -> Figure:
    """Return the requests sent and completed per second, and below them the requests in flight.

    Args:
        windows: The values 'sent' and 'completed', per second.
        in_flight: Seconds since the first issue, and the number of requests in flight.
        duration_s: Duration of the run.
    """
    figure, [rates, in_flight_axes] = new_figure(rows=2)
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
    # Without a schedule, many requests are sent at once; that first peak may exceed the axis.
    sent, completed = (float(windows.values[name].max()) for name in ("sent", "completed"))
    rates.set_ylim(0, 1.12 * min(max(sent, completed), 2 * completed) or 1)
    rates.set_title("requests/s")
    legend(rates)
    seconds, count = np.array(in_flight, dtype=np.float64).reshape(-1, 2).T
    in_flight_axes.fill_between(seconds, count, color=WASH, linewidth=0)
    in_flight_axes.plot(seconds, count, color=ACCENT, linewidth=1.2)
    in_flight_axes.set_ylim(bottom=0)
    in_flight_axes.set_title("in flight")
    time_axis(in_flight_axes, duration_s)
    return figure


def answer_tokens(tokens: NDArray[np.int64]) -> Figure:
    """Return a histogram of the answers' lengths in tokens."""
    figure, [axes] = new_figure()
    low, high = int(tokens.min()), int(tokens.max())
    # Bins of a whole number of tokens; fractions would show gaps in a short range.
    width = max(1, -(-(high - low + 1) // _MOST_BINS))
    counts, edges = np.histogram(tokens, np.arange(low, high + width + 1, width) - 0.5)
    axes.stairs(counts, edges, fill=True, color=WASH)
    axes.stairs(counts, edges, color=ACCENT, linewidth=1.2)
    axes.set_ylim(bottom=0)
    axes.set_title("answers")
    axes.set_xlabel("tokens")
    return figure


def token_rate(rate: TimeSeries, duration_s: float) -> Figure:
    """Return the generated tokens per second over time."""
    figure, [axes] = new_figure()
    axes.fill_between(rate.time_s, rate.value, color=WASH, linewidth=0)
    axes.plot(rate.time_s, rate.value, color=ACCENT)
    axes.set_ylim(bottom=0)
    axes.set_title("generated tokens/s")
    time_axis(axes, duration_s)
    return figure


def _edges(windows: Windows) -> NDArray[np.float64]:
    edges: NDArray[np.float64] = np.append(
        windows.middle_s - windows.width_s / 2, windows.middle_s[-1] + windows.width_s / 2
    )
    return edges


def probes(peak: Peak) -> Figure:
    """Return the rates of a search's probes, and below them their p99 by the first limit, in their order.

    A dot: passed; a cross: failed; a ring around it: a run of full length.
    """
    figure, [rates, latencies] = new_figure(rows=2)
    ceiling = _HIGHEST_LATENCY * peak.target_latency_s
    rates.plot(
        [probe.number for probe in peak.probes], [probe.target_qps for probe in peak.probes], color=LINE
    )
    rates.axhline(peak.peak_qps, color=MUTED, linewidth=1.2, linestyle=":")
    measured = [min(probe.p99_latency_s or 0, ceiling) for probe in peak.probes]
    seconds_axis(latencies, max(measured), peak.target_latency_s, vertical=True)
    for probe, latency_s in zip(peak.probes, measured, strict=True):
        _mark_probe(rates, probe, probe.target_qps)
        if probe.p99_latency_s is not None:
            _mark_probe(latencies, probe, latency_s)
    rates.margins(y=0.2)
    rates.set_title("queries/s")
    latencies.set_title(f"p99 {LATENCY_NAMES[next(iter(peak.limits_s), 'latency')]}, seconds")
    latencies.set_xlim(0.4, len(peak.probes) + 0.6)
    latencies.set_xlabel("probes in order")
    return figure


def _mark_probe(axes: Axes, probe: Probe, height: float) -> None:
    if probe.full_length:
        axes.plot(probe.number, height, "o", markersize=14, markerfacecolor="none", markeredgecolor=INK)
    if probe.passed:
        axes.plot(probe.number, height, "o", markersize=7, color=ACCENT, markeredgecolor=CARD)
    else:
        axes.plot(probe.number, height, "x", markersize=7, color=BAD, markeredgewidth=2)
