"""Show the progress of a long transfer of bytes: a bar on a terminal, a line every 15 s in a log."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from weighbridge.core.formatting import disk_size, duration

logger = logging.getLogger(__name__)

Advance = Callable[[int], None]
"""Called with the number of bytes just transferred, from any thread."""

_LINE_EVERY_S = 15.0


@contextmanager
def show_transfer(label: str, total_bytes: int, done_bytes: int = 0) -> Iterator[Advance]:
    """Show a transfer for the length of a with block; yields what counts its bytes.

    Args:
        label: What is transferred.
        total_bytes: All bytes.
        done_bytes: Bytes that were there before.
    """
    show = _bar if sys.stderr.isatty() else _lines
    with show(label, total_bytes, done_bytes) as advance:
        yield advance


@contextmanager
def _bar(label: str, total_bytes: int, done_bytes: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn(label), *columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total_bytes, completed=done_bytes)
        yield lambda n_bytes: progress.advance(task, n_bytes)


@contextmanager
def _lines(label: str, total_bytes: int, done_bytes: int) -> Iterator[Advance]:
    lines = _Lines(label, total_bytes, done_bytes)
    yield lines.advance
    lines.write()


class _Lines:
    """Logs a line when the last one is old enough."""

    def __init__(self, label: str, total_bytes: int, done_bytes: int) -> None:
        self._label = label
        self._total_bytes = total_bytes
        self._started_with_bytes = done_bytes
        self._done_bytes = done_bytes
        self._started_s = self._written_s = time.monotonic()
        self._lock = threading.Lock()

    def advance(self, n_bytes: int) -> None:
        with self._lock:
            self._done_bytes += n_bytes
            due = time.monotonic() - self._written_s >= _LINE_EVERY_S
            if due:
                self._written_s = time.monotonic()
        if due:
            self.write()

    def write(self) -> None:
        elapsed_s = max(time.monotonic() - self._started_s, 1e-9)
        rate = (self._done_bytes - self._started_with_bytes) / elapsed_s
        left_s = (self._total_bytes - self._done_bytes) / rate if rate > 0 else 0
        logger.info(
            "%s: %s of %s, %s/s, %s left",
            self._label,
            disk_size(self._done_bytes),
            disk_size(self._total_bytes),
            disk_size(int(rate)),
            duration(left_s),
        )
