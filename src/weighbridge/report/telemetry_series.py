"""Telemetry of a run as the page shows it: rates, sums and bands of time series."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from weighbridge.records.telemetry_readings import Floats, Telemetry, TimeSeries

_POINTS = 240  # of a series; more are indistinguishable at a page's width


@dataclass(frozen=True)
class SeriesBand:
    """The mean, minimum and maximum of `count` series on one time axis."""

    time_s: Floats
    low: Floats
    mean: Floats
    high: Floats
    count: int


def series_of(telemetry: Telemetry, kind: str, metric: str) -> dict[str, TimeSeries]:
    """Return a metric of all sources of a kind, by source: 'gpu' has 'gpu 0', 'gpu 1'; 'host' has one."""
    return {
        source: one
        for (source, name), one in telemetry.items()
        if name == metric and source.split()[0] == kind and len(one.time_s)
    }


def rate_of(counter: TimeSeries) -> TimeSeries:
    """Compute a counter's growth per second."""
    steps_s = np.diff(counter.time_s)
    moved = steps_s > 0
    return TimeSeries(counter.time_s[1:][moved], _growth(counter)[moved] / steps_s[moved])


def growth_of(counters: Iterable[TimeSeries]) -> float:
    """Compute the total growth of all counters."""
    return sum(float(_growth(counter).sum()) for counter in counters)


def _growth(counter: TimeSeries) -> Floats:
    """Compute each step of a counter; after a fall it restarted at 0, so the step is its new value."""
    steps = np.diff(counter.value)
    growth: Floats = np.where(steps < 0, counter.value[1:], steps)
    return growth


def total(series: Iterable[TimeSeries], points: int = _POINTS) -> TimeSeries:
    """Compute the sum of series on a common time axis; empty without any."""
    times, values = _aligned(series, points)
    return TimeSeries(times, values.sum(axis=0))


def band(series: Iterable[TimeSeries], points: int = _POINTS) -> SeriesBand:
    """Compute the band of series on a common time axis; empty without any."""
    times, values = _aligned(series, points)
    if not len(values):
        return SeriesBand(times, times, times, times, 0)
    return SeriesBand(times, values.min(axis=0), values.mean(axis=0), values.max(axis=0), len(values))


def _aligned(series: Iterable[TimeSeries], points: int) -> tuple[Floats, Floats]:
    """Average each series over common windows, so that no sample is lost.

    Returns:
        The windows' middles, shape (windows,), and the averages, shape (series, windows); windows without a
        sample are interpolated.
    """
    known = [one for one in series if len(one.time_s)]
    if not known:
        return np.empty(0), np.empty((0, 0))
    start = min(float(one.time_s[0]) for one in known)
    end = max(float(one.time_s[-1]) for one in known)
    count = min(points, max(len(one.time_s) for one in known))
    edges = np.linspace(start, max(end, start + 1e-9), count + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    return middles, np.array([_averaged(one, edges, middles) for one in known])


def _averaged(one: TimeSeries, edges: Floats, middles: Floats) -> Floats:
    counts = np.histogram(one.time_s, edges)[0]
    sums = np.histogram(one.time_s, edges, weights=one.value)[0]
    filled = counts > 0
    values: Floats = np.interp(middles, middles[filled], sums[filled] / counts[filled])
    return values
