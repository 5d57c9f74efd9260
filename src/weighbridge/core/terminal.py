"""Show a panel that stays in place at the foot of the terminal, with log lines above it."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

RECURRING = {"recurring": True}
"""`extra` of a log line that recurs: left out of a terminal whose panel shows the same, kept in files."""

OUTCOME_STYLES = {"VALID": "bold green", "INVALID": "bold red", "UNPROVEN": "bold yellow"}
"""rich's style of each outcome of a verdict."""


def shows_panels(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that can replace lines."""
    return stream.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


def can_ask() -> bool:
    """Return whether somebody may read a question on stderr and answer it on stdin."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def consents(question: str) -> bool:
    """Ask a question on the terminal, and return whether the answer is yes; without a terminal, it is no."""
    if not can_ask():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


@contextmanager
def panel_on_stderr() -> Iterator[Callable[["RenderableType"], None]]:
    """Show a panel at the foot of the terminal; yields the function that draws it, callable from any thread.

    Log lines and writes to `sys.stderr` appear above the panel. At the end the panel is removed, and the
    lines stay.
    """
    terminal = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]
    before = sys.stderr
    with _started_panel(stderr=True) as live:
        for handler in terminal:
            handler.setStream(sys.stderr)  # now rich's stream, which writes above the panel
            handler.addFilter(_is_not_recurring)
        try:
            yield lambda content: live.update(content, refresh=True)
        finally:
            for handler in terminal:
                handler.removeFilter(_is_not_recurring)
                handler.setStream(before)


@contextmanager
def panel_on_stdout() -> Iterator[Callable[["RenderableType"], None]]:
    """Show a panel at the foot of the terminal; yields the function that draws it.

    What is written to `sys.stdout` appears above the panel. At the end the panel is removed.
    """
    with _started_panel(stderr=False) as live:

        def draw(content: "RenderableType") -> None:
            with _ignore_closed_terminal():
                live.update(content, refresh=True)

        yield draw


@contextmanager
def _started_panel(*, stderr: bool) -> "Iterator[Live]":
    from rich.console import Console
    from rich.live import Live

    # The terminal wraps long lines, so that they can be copied whole.
    live = Live(console=Console(stderr=stderr, soft_wrap=True), auto_refresh=False, transient=True)
    with _ignore_closed_terminal():
        live.start()
    try:
        yield live
    finally:
        with _ignore_closed_terminal():
            live.stop()


def _is_not_recurring(record: logging.LogRecord) -> bool:
    return not getattr(record, "recurring", False)


def _ignore_closed_terminal() -> suppress:
    """Ignore that the terminal has been closed: the work shown on it goes on."""
    return suppress(OSError)
