"""Charts of the system: the servers' queues and KV caches, GPUs, and processor cores."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weighbridge.records.telemetry_readings import TimeSeries
from weighbridge.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    WASH,
    legend,
    new_figure,
    share_axis,
    time_axis,
)
from weighbridge.report.telemetry_series import SeriesBand

_LINES: tuple[dict[str, Any], ...] = (
    {"color": ACCENT},
    {"color": INK, "linestyle": "--"},
    {"color": MUTED, "linestyle": ":"},
)
_GIB = 2**30


def queue(running: TimeSeries, waiting: TimeSeries, kv_usage: SeriesBand, duration_s: float) -> Figure:
    """Return the requests in the servers, and below them the use of the KV caches.

    Args:
        running: Requests that are being computed, sum of all servers.
        waiting: Requests in the queues, sum of all servers.
        kv_usage: Use of the servers' KV caches, 0 to 1.
        duration_s: Duration of the run.
    """
    figure, [requests, cache] = new_figure(rows=2)
    _draw_lines(requests, {"running": running, "waiting": waiting})
    requests.set_title("requests")
    legend(requests)
    _draw_band(cache, kv_usage)
    share_axis(cache)
    cache.set_title("KV cache in use")
    time_axis(cache, duration_s)
    return figure


def gpus(utilisation: SeriesBand, power_w: TimeSeries, memory_bytes: SeriesBand, duration_s: float) -> Figure:
    """Return the GPUs' utilisation, power and memory, one below the other.

    Args:
        utilisation: Utilisation of the GPUs, 0 to 1.
        power_w: Power of all GPUs together, in watts.
        memory_bytes: Used memory of the GPUs.
        duration_s: Duration of the run.
    """
    figure, [busy, power, memory] = new_figure(rows=3)
    _draw_band(busy, utilisation)
    share_axis(busy)
    busy.set_title("utilisation")
    _draw_lines(power, {"power": power_w})
    power.set_title("power of all, W")
    _draw_band(memory, _scaled(memory_bytes, 1 / _GIB))
    memory.set_ylim(bottom=0)
    memory.set_title("memory of each, GiB")
    time_axis(memory, duration_s)
    return figure


def cores(used: Mapping[str, TimeSeries], duration_s: float) -> Figure:
    """Return the processor cores in use, in up to three lines by name."""
    figure, [axes] = new_figure()
    _draw_lines(axes, used)
    axes.set_title("cores")
    time_axis(axes, duration_s)
    legend(axes)
    return figure


def _draw_lines(axes: Axes, series: Mapping[str, TimeSeries]) -> None:
    for (name, one), style in zip(series.items(), _LINES, strict=False):
        axes.plot(one.time_s, one.value, label=name, linewidth=1.4, **style)
    highest = max((float(one.value.max()) for one in series.values() if len(one.value)), default=0)
    axes.set_ylim(0, 1.12 * highest or 1)


def _draw_band(axes: Axes, band: SeriesBand) -> None:
    """Draw the mean of several series in front of their range."""
    if band.count > 1:
        axes.fill_between(band.time_s, band.low, band.high, color=WASH, linewidth=0)
    axes.plot(band.time_s, band.mean, color=ACCENT, linewidth=1.4)


def _scaled(band: SeriesBand, factor: float) -> SeriesBand:
    return SeriesBand(band.time_s, band.low * factor, band.mean * factor, band.high * factor, band.count)
