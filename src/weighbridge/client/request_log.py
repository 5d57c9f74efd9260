"""From the records of a run to its report: pure mathematics over arrays."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from weighbridge.client.frames import RECORD, Kind
from weighbridge.records.run_record import Delay

_NS = 1e9
_CURVE_POINTS = 600
RECORD_TYPE = np.dtype(
    [
        ("id", "<u8"),
        ("sample", "<u4"),
        ("payload_bytes", "<u4"),
        ("received_bytes", "<u4"),
        ("tokens", "<i4"),
        ("status", "<u2"),
        ("kind", "u1"),
        ("worker", "u1"),
        ("endpoint", "<u4"),
        ("planned_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("first_ns", "<i8"),
        ("last_ns", "<i8"),
        ("end_ns", "<i8"),
    ]
)
assert RECORD_TYPE.itemsize == RECORD.size

Records = NDArray[np.void]


def read_records(path: Path) -> Records:
    """Read the RECORDs of a run; a torn last one is left out. An absent file holds none."""
    data = path.read_bytes() if path.exists() else b""
    return np.frombuffer(data, dtype=RECORD_TYPE, count=len(data) // RECORD.size)


def write_parquet(records: Records, path: Path) -> None:
    """Write one row a request, in the order of completion; times in monotonic ns, 0 for never."""
    columns = {name: records[name] for name in RECORD_TYPE.names or () if name not in ("id", "kind")}
    labels = np.array([kind.label for kind in Kind], dtype=object)
    kinds = pa.array(labels[records["kind"]], type=pa.string()).dictionary_encode()
    pq.write_table(pa.table({**columns, "outcome": kinds}), path)


def failures(records: Records) -> dict[str, int]:
    """Count the failed requests by kind."""
    counts = Counter(records["kind"].tolist())
    return {Kind(kind).label: count for kind, count in sorted(counts.items()) if kind != Kind.OK}


def schedule_delay(records: Records) -> Delay:
    """Describe the time from LoadGen's issue to the request's last byte leaving, over what was sent."""
    sent = records[records["sent_ns"] > 0]
    if not len(sent):
        return Delay(p50_s=0, p99_s=0, max_s=0)
    delay_s = (sent["sent_ns"] - sent["planned_ns"]) / _NS
    p50, p99 = np.quantile(delay_s, [0.5, 0.99], method="higher")
    return Delay(p50_s=float(p50), p99_s=float(p99), max_s=float(delay_s.max()))


def achieved_qps(records: Records) -> float:
    """Requests answered well, over the time from the first issue to the last end."""
    good = records[records["kind"] == Kind.OK]
    if not len(good):
        return 0.0
    span_ns = int(records["end_ns"].max()) - int(records["planned_ns"].min())
    return len(good) / max(span_ns, 1) * _NS


def in_flight(records: Records) -> tuple[tuple[float, int], ...]:
    """Count the requests sent and not ended, over seconds since the first issue.

    Longer runs are cut to 600 points, each the largest count of its interval: a peak is never smoothed away.
    """
    sent = records[records["sent_ns"] > 0]
    if not len(sent):
        return ()
    times = np.concatenate([sent["sent_ns"], sent["end_ns"]])
    steps = np.concatenate([np.ones(len(sent), dtype=np.int64), -np.ones(len(sent), dtype=np.int64)])
    order = np.argsort(times, kind="stable")
    seconds = (times[order] - records["planned_ns"].min()) / _NS
    counts = np.cumsum(steps[order])
    starts = np.unique(np.linspace(0, len(counts), _CURVE_POINTS, endpoint=False, dtype=np.int64))
    peaks = np.maximum.reduceat(counts, starts)
    return tuple(zip(seconds[starts].round(6).tolist(), peaks.tolist(), strict=True))
