"""Read the sources once a second, each in its own thread, and write telemetry.parquet at the end."""

import io
import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, monotonic_ns, thread_time

import pyarrow as pa
import pyarrow.parquet as pq

from weighbridge.core.files import write_atomic
from weighbridge.records.run_record import TelemetryBrief
from weighbridge.records.telemetry_record import Metric
from weighbridge.system.telemetry.samples import AbsentError, Samples, Source, growth, join

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_LONGEST_PAUSE_S = 30.0  # between two tries of a source that fails
# The end of a run waits this long for the last samples, and not for a server that hangs.
_LAST_SAMPLES_S = 1.0


class Recording:
    """The result of a recording.

    Attributes:
        brief: Summary for run.json; None until the recording has ended, or if it failed.
    """

    brief: TelemetryBrief | None = None


@contextmanager
def record_sources(sources: Sequence[Source], path: Path) -> Iterator[Recording]:
    """Read the sources for the duration of a with block, and write the file at its end, whatever ends it.

    No error is raised from here, and the end takes little more than a second.
    """
    result, ending, started_s = Recording(), threading.Event(), monotonic()
    readers = [_Reader(source, ending) for source in sources]
    for reader in readers:
        reader.start()
    try:
        yield result
    finally:
        ending.set()
        deadline_s = monotonic() + _LAST_SAMPLES_S
        for reader in readers:
            reader.join(max(0.0, deadline_s - monotonic()))
        try:
            table = join(reader.samples for reader in readers)
            cpu_s = sum(reader.cpu_s for reader in readers)
            write_atomic(path, _parquet(table))
            result.brief = _brief(table, cpu_s, monotonic() - started_s)
        except Exception as error:
            log.warning("there is no telemetry of this run (%s); nothing else depends on it", error)


class _Reader(threading.Thread):
    """Reads one source until the end; a daemon thread, so that one that hangs does not hold up the exit."""

    def __init__(self, source: Source, ending: threading.Event) -> None:
        super().__init__(name=f"telemetry of {source.name}", daemon=True)
        self.samples, self.cpu_s = Samples(), 0.0
        self._source, self._ending, self._warned = source, ending, False

    def run(self) -> None:
        due_s, pause_s = monotonic(), _EVERY_S
        try:
            while True:
                last = self._ending.is_set()
                succeeded = self._read()
                self.cpu_s = thread_time()
                pause_s = _EVERY_S if succeeded else min(2 * pause_s, _LONGEST_PAUSE_S)
                # Times are on a grid and missed ones are skipped, so a slow server always gets a pause.
                due_s += pause_s * max(1, math.ceil((monotonic() - due_s) / pause_s))
                if last or (self._ending.wait(due_s - monotonic()) and not succeeded):
                    return
        except AbsentError:
            log.debug("telemetry: this machine does not have %s", self._source.name)
        finally:
            self._source.close()

    def _read(self) -> bool:
        try:
            readings = self._source.read()
        except AbsentError:
            raise
        except Exception as error:
            if not self._warned and not self._ending.is_set():
                self._warned = True
                log.warning(
                    "no telemetry of %s (%s); it is tried again from time to time, and the run goes on",
                    self._source.name,
                    error,
                )
            return False
        self.samples.add(monotonic_ns(), readings)
        return True


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _brief(table: pa.Table, cpu_s: float, elapsed_s: float) -> TelemetryBrief:
    return TelemetryBrief(
        samples=len(table),
        sources=tuple(sorted(set(table["source"].to_pylist()))),
        cpu_s=cpu_s,
        cpu_share=cpu_s / max(elapsed_s, _EVERY_S),
        prefix_cache_hits=growth(table, Metric.PREFIX_CACHE_HITS),
        external_prefix_cache_hits=growth(table, Metric.EXTERNAL_PREFIX_CACHE_HITS),
        ecc_uncorrected=growth(table, Metric.ECC_UNCORRECTED),
    )
