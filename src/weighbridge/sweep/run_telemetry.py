"""What telemetry.parquet says of a sweep's run: the servers' cache counters, and the accelerators' energy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weighbridge.core.parquet import read_parquet_table
from weighbridge.records.telemetry_record import Metric
from weighbridge.sweep.cell_window import Window
from weighbridge.sweep.run_rows import Floats, Numbers
from weighbridge.system.telemetry.samples import growth

_NS = 1e9
_COLUMNS = ("time_ns", "source", "metric", "value")


@dataclass(frozen=True)
class RunTelemetry:
    """Measurements beside a run.

    Attributes:
        queried: Growth of the servers' counters of prompt tokens that were looked up in prefix caches; None:
            no server reports it.
        hit: The same of those that were found there, or in a cache outside the servers.
        power_w: Of each accelerator: times of the samples, in monotonic ns, and their values.
    """

    queried: int | None = None
    hit: int | None = None
    power_w: Mapping[str, tuple[Numbers, Floats]] | None = None

    @classmethod
    def read(cls, path: Path) -> "RunTelemetry":
        """Read the file of a run; nothing is known where there is none.

        Raises:
            InputError: it is damaged.
        """
        if not path.is_file():
            return cls()
        return cls.of(read_parquet_table(path, _COLUMNS))

    @classmethod
    def of(cls, table: pa.Table) -> "RunTelemetry":
        """Take the values of a run from its table, whose rows ascend in time."""
        hit = growth(table, Metric.PREFIX_CACHE_HITS)
        outside = growth(table, Metric.EXTERNAL_PREFIX_CACHE_HITS)
        power = table.filter(pc.equal(table["metric"].cast(pa.string()), Metric.POWER_W.value))
        sources = power["source"].cast(pa.string())
        return cls(
            queried=growth(table, Metric.PREFIX_CACHE_QUERIES),
            hit=None if hit is None else hit + (outside or 0),
            power_w={
                source: _series(power.filter(pc.equal(sources, source)))
                for source in sources.unique().to_pylist()
            },
        )

    def energy_j(self, window: Window) -> float | None:
        """Return the energy of all accelerators over a window, by the trapezoid rule.

        None: no power was recorded, or some accelerator's samples lie all on one side of the window's middle.
        """
        if not self.power_w:
            return None
        middle = (window.start_ns + window.end_ns) / 2
        total = 0.0
        for times, watts in self.power_w.values():
            if times[0] > middle or times[-1] < middle:
                return None
            inside = window.has(times)
            bounds = np.array([window.start_ns, window.end_ns], dtype=np.int64)
            first, last = np.interp(bounds, times, watts).tolist()
            seconds = (np.concatenate([bounds[:1], times[inside], bounds[1:]]) - window.start_ns) / _NS
            values = np.concatenate([[first], watts[inside], [last]])
            total += float((np.diff(seconds) * (values[1:] + values[:-1])).sum()) / 2
        return total


def _series(rows: pa.Table) -> tuple[Numbers, Floats]:
    return rows["time_ns"].to_numpy().astype(np.int64), rows["value"].to_numpy().astype(np.float64)
