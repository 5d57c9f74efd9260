"""Figures of the machines: the server's queue and memory, GPUs, and processor cores."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from weighbridge.report.telemetry_series import Band, Curve

_LINES: tuple[dict[str, Any], ...] = (
    {"color": ACCENT},
    {"color": INK, "linestyle": "--"},
    {"color": MUTED, "linestyle": ":"},
)
_GIB = 2**30


def queue(running: Curve, waiting: Curve, kv_usage: Band, duration_s: float) -> Figure:
    """Draw requests running and waiting in the servers, all together, and the KV cache's use of each."""
    figure, [requests, cache] = new_figure(rows=2)
    _lines(requests, {"running": running, "waiting": waiting})
    requests.set_title("requests")
    legend(requests)
    _band(cache, kv_usage)
    share_axis(cache)
    cache.set_title("KV cache in use")
    time_axis(cache, duration_s)
    return figure


def gpus(utilisation: Band, power_w: Curve, memory_bytes: Band, duration_s: float) -> Figure:
    """Draw the GPUs' utilisation, their power all together, and each one's memory."""
    figure, [busy, power, memory] = new_figure(rows=3)
    _band(busy, utilisation)
    share_axis(busy)
    busy.set_title("utilisation")
    _lines(power, {"power": power_w})
    power.set_title("power of all, W")
    _band(memory, _scaled(memory_bytes, 1 / _GIB))
    memory.set_ylim(bottom=0)
    memory.set_title("memory of each, GiB")
    time_axis(memory, duration_s)
    return figure


def cores(used: Mapping[str, Curve], duration_s: float) -> Figure:
    """Draw the processor cores that client and server use; at most three lines."""
    figure, [axes] = new_figure()
    _lines(axes, used)
    axes.set_title("cores")
    time_axis(axes, duration_s)
    legend(axes)
    return figure


def _lines(axes: Axes, curves: Mapping[str, Curve]) -> None:
    for (name, curve), look in zip(curves.items(), _LINES, strict=False):
        axes.plot(curve.time_s, curve.value, label=name, linewidth=1.4, **look)
    highest = max((float(curve.value.max()) for curve in curves.values() if len(curve.value)), default=0)
    axes.set_ylim(0, 1.12 * highest or 1)


def _band(axes: Axes, band: Band) -> None:
    """Draw the mean of several curves, and their spread behind it."""
    if band.count > 1:
        axes.fill_between(band.time_s, band.low, band.high, color=WASH, linewidth=0)
    axes.plot(band.time_s, band.mean, color=ACCENT, linewidth=1.4)


def _scaled(band: Band, factor: float) -> Band:
    return Band(band.time_s, band.low * factor, band.mean * factor, band.high * factor, band.count)
