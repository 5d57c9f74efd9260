"""Read telemetry.parquet as time series, by source and metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weighbridge.core.parquet import read_parquet_table, refusing_damage

_NS = 1e9
_COLUMNS = ("time_ns", "source", "metric", "value")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TimeSeries:
    """Values over time, both of shape (n,); times in seconds since the run's first issue, ascending."""

    time_s: Floats
    value: Floats


Telemetry = Mapping[tuple[str, str], TimeSeries]
"""Time series by source, such as 'gpu 0', and metric."""


def read_telemetry(path: Path, start_ns: int, duration_s: float | None = None) -> Telemetry:
    """Read the samples taken during a run.

    Args:
        path: telemetry.parquet.
        start_ns: Monotonic time of the run's first issue.
        duration_s: Time from the first issue to the last end; None: samples from before and after it too.

    Raises:
        InputError: the file is damaged, or has other columns.
    """
    table = read_parquet_table(path, _COLUMNS)
    with refusing_damage(path):
        return _series(table if duration_s is None else _within(table, start_ns, duration_s), start_ns)


def _within(table: pa.Table, start_ns: int, duration_s: float) -> pa.Table:
    end_ns = start_ns + int(duration_s * _NS)
    times_ns = table["time_ns"]
    return table.filter(pc.and_(pc.greater_equal(times_ns, start_ns), pc.less_equal(times_ns, end_ns)))


def _series(table: pa.Table, start_ns: int) -> Telemetry:
    series = {}
    for (source, metric), rows in table.to_pandas().groupby(["source", "metric"], observed=True):
        ordered = rows.sort_values("time_ns", kind="stable")
        series[str(source), str(metric)] = TimeSeries(
            (ordered["time_ns"].to_numpy(np.int64) - start_ns) / _NS,
            ordered["value"].to_numpy(np.float64),
        )
    return series
