"""Take time from processes below this one, as other work on a machine does."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from weighbridge.core.proc import below, command_of


@contextmanager
def throttled(program: str) -> Iterator[None]:
    """Let the processes of this one's that run a program have three tenths of the time."""
    ended = threading.Event()

    def throttle() -> None:
        while not ended.is_set():
            pids = [pid for pid in below(os.getpid()) if _runs(pid, program)]
            _signal(pids, signal.SIGSTOP)
            ended.wait(0.07)
            _signal(pids, signal.SIGCONT)
            ended.wait(0.03)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _runs(pid: int, program: str) -> bool:
    try:
        return program in command_of(pid)
    except OSError:  # it has ended
        return False


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
