"""telemetry.parquet as curves: pure mathematics over what was sampled while a run went on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from weighbridge.core.errors import InputError

_NS = 1e9
_POINTS = 240  # of a curve; more cannot be told apart at the width of a page

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Values over time; seconds since the run's first issue, ascending."""

    time_s: Floats
    value: Floats


@dataclass(frozen=True)
class Band:
    """Several curves on one time axis: their mean, and the smallest and largest of them."""

    time_s: Floats
    low: Floats
    mean: Floats
    high: Floats
    count: int


Telemetry = Mapping[tuple[str, str], Curve]
"""By source, such as 'gpu 0', and metric."""


def read_telemetry(path: Path, start_ns: int, duration_s: float) -> Telemetry:
    """Read the samples taken between a run's first issue and its last end.

    Raises:
        InputError: the file is damaged, or is no telemetry.
    """
    try:
        table = pq.read_table(path, columns=["time_ns", "source", "metric", "value"])
        frame = table.filter(
            pc.and_(
                pc.greater_equal(table["time_ns"], start_ns),
                pc.less_equal(table["time_ns"], start_ns + int(duration_s * _NS)),
            )
        ).to_pandas()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise InputError(f"{path}: no telemetry ({str(error).splitlines()[0]}); repeat the run.") from None
    curves = {}
    for (source, metric), rows in frame.groupby(["source", "metric"], observed=True):
        ordered = rows.sort_values("time_ns")
        curves[str(source), str(metric)] = Curve(
            (ordered["time_ns"].to_numpy() - start_ns) / _NS, ordered["value"].to_numpy(np.float64)
        )
    return curves


def curves_of(telemetry: Telemetry, kind: str, metric: str) -> dict[str, Curve]:
    """Pick a metric of all sources of a kind: 'gpu' has 'gpu 0', 'gpu 1'; 'host' is one itself."""
    return {
        source: curve
        for (source, name), curve in telemetry.items()
        if name == metric and source.split()[0] == kind and len(curve.time_s)
    }


def rate_of(counter: Curve) -> Curve:
    """Turn a counter into its growth per second."""
    steps_s = np.diff(counter.time_s)
    moved = steps_s > 0
    return Curve(counter.time_s[1:][moved], _growth(counter)[moved] / steps_s[moved])


def growth_of(counters: Iterable[Curve]) -> float:
    """Add up how much counters grew."""
    return sum(float(_growth(counter).sum()) for counter in counters)


def _growth(counter: Curve) -> Floats:
    """Tell each step of a counter; one that fell began again from nought, and has grown by what it shows."""
    steps = np.diff(counter.value)
    growth: Floats = np.where(steps < 0, counter.value[1:], steps)
    return growth


def total(curves: Iterable[Curve], points: int = _POINTS) -> Curve:
    """Add curves of one metric up, on a common time axis; empty where there is none."""
    times, values = _aligned(curves, points)
    return Curve(times, values.sum(axis=0))


def band(curves: Iterable[Curve], points: int = _POINTS) -> Band:
    """Put curves of one metric into a band, on a common time axis."""
    times, values = _aligned(curves, points)
    if not len(values):
        return Band(times, times, times, times, 0)
    return Band(times, values.min(axis=0), values.mean(axis=0), values.max(axis=0), len(values))


def _aligned(curves: Iterable[Curve], points: int) -> tuple[Floats, Floats]:
    """Average each curve over the same windows, so that no sample between two points is lost.

    Returns:
        The windows' middles, and a (curves, windows) matrix; a window without a sample is interpolated.
    """
    known = [curve for curve in curves if len(curve.time_s)]
    if not known:
        return np.empty(0), np.empty((0, 0))
    start = min(float(curve.time_s[0]) for curve in known)
    end = max(float(curve.time_s[-1]) for curve in known)
    count = min(points, max(len(curve.time_s) for curve in known))
    edges = np.linspace(start, max(end, start + 1e-9), count + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    return middles, np.array([_averaged(curve, edges, middles) for curve in known])


def _averaged(curve: Curve, edges: Floats, middles: Floats) -> Floats:
    counts = np.histogram(curve.time_s, edges)[0]
    sums = np.histogram(curve.time_s, edges, weights=curve.value)[0]
    filled = counts > 0
    values: Floats = np.interp(middles, middles[filled], sums[filled] / counts[filled])
    return values
