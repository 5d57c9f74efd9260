"""Signals that end the program: the stack unwinds, and the exit code is 128 plus the signal's number.

What was started is stopped by the with blocks that are left on the way. The first signal counts; while the
stack unwinds, further ones are ignored, so that none of them interrupts the cleaning up.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_AFTER_S = 0.01
OBEYED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Interruption(SystemExit):
    """The end of the program by a signal; where nothing handles it, the process ends with its exit code."""

    code: int

    def __init__(self, reason: str, number: int) -> None:
        super().__init__(128 + number)
        self.reason, self.number = reason, signal.Signals(number)

    def __str__(self) -> str:
        return self.reason


class _Received:
    """The first signal that this process received, and why it came where that is known."""

    number: int | None = None
    cause: str | None = None


_received = _Received()


def obeyed() -> tuple[signal.Signals, ...]:
    """Return the signals that end the program: all but a SIGHUP that nohup has switched off."""
    return tuple(
        number
        for number in OBEYED
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    )


def end_on_signals() -> Callable[[], None]:
    """Make every signal that ends the program raise `Interruption` in the main thread; forget earlier ones.

    SIGINT and SIGQUIT too where they were ignored: a shell starts background jobs that way, which would then
    leave the processes that they started.

    Returns:
        What puts the handlers of before back.
    """
    _received.number = _received.cause = None

    def leave(number: int, _frame: FrameType | None) -> None:
        if _received.number is None:
            raise Interruption(note(number), number)

    before = {number: signal.signal(number, leave) for number in obeyed()}
    shown = sys.unraisablehook

    def repeat(lost: "sys.UnraisableHookArgs") -> None:
        if not isinstance(lost.exc_value, Interruption):
            shown(lost)
            return
        # It came inside a finalizer, where Python drops exceptions. It is sent again, from a thread: here it
        # would be dropped once more.
        number, _received.number = lost.exc_value.number, None
        timer = threading.Timer(_AGAIN_AFTER_S, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start()

    sys.unraisablehook = repeat

    def restore() -> None:
        sys.unraisablehook = shown
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


def note(number: int) -> str:
    """Note a received signal, for the program's exit code; return why the program ends, for a sentence."""
    if _received.number is None:
        _received.number = number
    return _received.cause or f"interrupted by {signal.Signals(number).name}"


@contextmanager
def told_of_signals(order: Callable[[str], None]) -> Iterator[None]:
    """Call `order` with the reason when a signal comes in a with block, which can then end in order."""

    def obey(number: int, _frame: FrameType | None) -> None:
        order(note(number))

    try:
        before = {number: signal.signal(number, obey) for number in obeyed()}
    except ValueError:  # not the main thread, which alone receives signals
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def announce(cause: str) -> None:
    """Set why the next signal comes; sentences then give this cause instead of the signal's name."""
    _received.cause = cause


def exit_code() -> int | None:
    """Return the exit code that the first signal demands; None where none came."""
    return None if _received.number is None else 128 + _received.number
