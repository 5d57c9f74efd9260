"""The readings of a run, stored compactly while it lasts, and the table made of them."""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weighbridge.records.telemetry_record import Metric


class MetricReading(NamedTuple):
    """One value of one source: "server 0", "gpu 3", "process loadgen", "host"."""

    source: str
    metric: Metric
    value: float


class Source(Protocol):
    """Something that can be read repeatedly, always from the same thread."""

    @property
    def name(self) -> str:
        """Return its name for warnings."""

    def read(self) -> Sequence[MetricReading]:
        """Read every metric once; any other exception means that there is nothing to read now.

        Raises:
            AbsentError: this machine does not have the source.
        """

    def close(self) -> None:
        """Release what reading needed."""


class AbsentError(Exception):
    """A source that this machine does not have."""


class Samples:
    """The readings of one source, 18 bytes each: hours with many servers make millions.

    One thread adds; another may copy at any time.
    """

    def __init__(self) -> None:
        self._series: dict[tuple[str, Metric], int] = {}
        self._times_ns, self._numbers, self._values = array("q"), array("H"), array("d")

    def add(self, time_ns: int, readings: Iterable[MetricReading]) -> None:
        """Store what was read at `time_ns` of the monotonic clock."""
        for source, metric, value in readings:
            number = self._series.setdefault((source, metric), len(self._series))
            self._times_ns.append(time_ns)
            self._numbers.append(number)
            self._values.append(value)  # the last of the three: its length is that of whole rows

    def table(self) -> pa.Table:
        """Return a table with the columns time_ns, source, metric and value."""
        rows = len(self._values)
        numbers = pa.array(self._numbers[:rows], pa.uint16())
        series = list(self._series)
        return pa.table(
            {
                "time_ns": pa.array(self._times_ns[:rows], pa.int64()),
                "source": _labels(numbers, [source for source, _ in series]),
                "metric": _labels(numbers, [metric.value for _, metric in series]),
                "value": pa.array(self._values[:rows], pa.float64()),
            }
        )


def _labels(numbers: pa.Array, names: list[str]) -> pa.Array:
    return pa.array(names, pa.string()).take(numbers).dictionary_encode()


def join(parts: Iterable[Samples]) -> pa.Table:
    """Return the samples of several sources as one table, ordered by time."""
    tables = [part.table() for part in parts]
    return pa.concat_tables(tables or [Samples().table()]).unify_dictionaries().sort_by("time_ns")


def growth(table: pa.Table, metric: Metric) -> int | None:
    """Return how much a counter grew, summed over all sources; None where no source reports it.

    A counter that fell has started again from 0: its new value has been counted since.
    """
    rows = table.filter(pc.equal(table["metric"].cast(pa.string()), metric.value))
    if not len(rows):
        return None
    sources = rows["source"].cast(pa.string())
    return round(
        sum(_grown(rows.filter(pc.equal(sources, source))["value"].to_numpy()) for source in sources.unique())
    )


def _grown(values: NDArray[np.float64]) -> float:
    steps = np.diff(values)
    return float(np.where(steps < 0, values[1:], steps).sum())
