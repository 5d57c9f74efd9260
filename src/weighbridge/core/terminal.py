"""The terminal of a waiting person: a panel that stays in place, and log lines properly above it."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType

RECURRING = {"recurring": True}
"""`extra` of a log line that comes again and again: a panel shows the same, and then only files need it."""

OUTCOME_STYLES = {"VALID": "bold green", "INVALID": "bold red", "UNPROVEN": "bold yellow"}
"""rich's style of each outcome of a verdict."""


def shows_panels(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal on which lines can be replaced."""
    return stream.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


@contextmanager
def panel_on_stderr() -> Iterator[Callable[["RenderableType"], None]]:
    """Keep a panel at the foot of the terminal; yields what draws it anew, from whichever thread.

    What is logged or written to `sys.stderr` meanwhile appears above it. At the end the panel is gone, and
    the lines stay.
    """
    from rich.console import Console
    from rich.live import Live

    terminal = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]
    before = sys.stderr
    # Long lines are left to the terminal, which lets them be copied whole.
    console = Console(stderr=True, soft_wrap=True)
    live = Live(console=console, auto_refresh=False, transient=True)
    with _quietly():
        live.start()
    for handler in terminal:
        handler.setStream(sys.stderr)  # by now rich's, which writes above the panel
        handler.addFilter(_is_news)
    try:
        yield lambda content: live.update(content, refresh=True)
    finally:
        for handler in terminal:
            handler.removeFilter(_is_news)
            handler.setStream(before)
        with _quietly():
            live.stop()


def _is_news(record: logging.LogRecord) -> bool:
    return not getattr(record, "recurring", False)


def _quietly() -> suppress:
    """A terminal that has gone away must not end what it showed."""
    return suppress(OSError)
