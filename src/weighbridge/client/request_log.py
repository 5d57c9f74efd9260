"""The log of a run's requests: read whole or while it grows, written as a table, summed up for the report."""

from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from weighbridge.client.frames import RECORD, FinishReason, RequestOutcome
from weighbridge.core.files import open_regular
from weighbridge.records.run_record import Delay

_NS = 1e9
_CURVE_POINTS = 600
# One look reads at most this much, over a hundred thousand requests; the next look continues from there.
_LOOK_BYTES = 8 << 20
RECORD_TYPE = np.dtype(
    [
        ("id", "<u8"),
        ("sample", "<u4"),
        ("payload_bytes", "<u4"),
        ("received_bytes", "<u4"),
        ("tokens", "<i4"),
        ("status", "<u2"),
        ("outcome", "u1"),
        ("worker", "u1"),
        ("endpoint", "<u4"),
        ("prompt_tokens", "<i4"),
        ("finish", "u1"),
        ("id_echoed", "u1"),
        ("planned_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("first_ns", "<i8"),
        ("last_ns", "<i8"),
        ("end_ns", "<i8"),
        ("first_byte_ns", "<i8"),
        ("cached_tokens", "<i4"),
        ("chunks", "<u4"),
    ]
)
assert RECORD_TYPE.itemsize == RECORD.size
# Columns of the table that are texts.
_LABELS = {
    "outcome": [outcome.label for outcome in RequestOutcome],
    "finish": [reason.label for reason in FinishReason],
}

Records = NDArray[np.void]


def read_records(path: Path, samples: int) -> Records:
    """Read the RECORDs of a run; what is no ordinary file holds none.

    What no driver writes is left out: a torn last one, and those of an unknown outcome or of a sample that is
    not below `samples`, as a file has them that was changed.
    """
    data = path.read_bytes() if path.is_file() else b""
    records: Records = np.frombuffer(data, dtype=RECORD_TYPE, count=len(data) // RECORD.size)
    possible = records["sample"] < samples
    for name, known in _LABELS.items():
        possible &= records[name] < len(known)
    return records if possible.all() else records[possible]


def write_parquet(records: Records, path: Path) -> None:
    """Write the table of a run's requests."""
    pq.write_table(table_of(records), path)


def table_of(records: Records) -> pa.Table:
    """Return one row a request, in the order of completion; times in monotonic ns, 0 for never.

    `number` is the driver's of the request; tables of earlier releases lack it, and all after `end_ns`.
    """
    columns = {name: records[name] for name in RECORD_TYPE.names or () if name not in ("id", *_LABELS)}
    for name, known in _LABELS.items():
        labels = np.array(known, dtype=object)
        columns[name] = pa.array(labels[records[name]], type=pa.string()).dictionary_encode()
    columns["number"] = records["id"]
    return pa.table(columns)


def failures(records: Records) -> dict[str, int]:
    """Return the number of failed requests by outcome."""
    counts = Counter(records["outcome"].tolist())
    return {
        RequestOutcome(outcome).label: count
        for outcome, count in sorted(counts.items())
        if outcome != RequestOutcome.OK
    }


def schedule_delay(records: Records) -> Delay:
    """Return the distribution of the time from issue to sending the last byte, over the requests sent."""
    sent = records[records["sent_ns"] > 0]
    if not len(sent):
        return Delay(p50_s=0, p99_s=0, max_s=0)
    delay_s = (sent["sent_ns"] - sent["planned_ns"]) / _NS
    p50, p99 = np.quantile(delay_s, [0.5, 0.99], method="higher")
    return Delay(p50_s=float(p50), p99_s=float(p99), max_s=float(delay_s.max()))


def achieved_qps(records: Records) -> float:
    """Return the requests answered per second, from the first issue to the last end."""
    good = records[records["outcome"] == RequestOutcome.OK]
    if not len(good):
        return 0.0
    span_ns = int(records["end_ns"].max()) - int(records["planned_ns"].min())
    return len(good) / max(span_ns, 1) * _NS


def in_flight(records: Records) -> tuple[tuple[float, int], ...]:
    """Return the number of requests in flight over time, as (seconds since the first issue, count).

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


class RequestLogTail:
    """The end of a growing request log. It stays readable when the file is removed."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: it does not exist, cannot be read, or is no ordinary file.
        """
        self._stream: BinaryIO = open_regular(path)
        self._torn = b""

    def new(self) -> Records:
        """Read what was written since the last look; a torn last record waits for its rest."""
        data = self._torn + (self._stream.read(_LOOK_BYTES) or b"")
        whole = len(data) - len(data) % RECORD_TYPE.itemsize
        self._torn = data[whole:]
        return np.frombuffer(data[:whole], dtype=RECORD_TYPE)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
