"""Telling a waiting person how far a run is: a line now and then."""

import logging
import time

from weighbridge.load.crew import Progress

log = logging.getLogger(__name__)

_LINE_EVERY_S = 10


class RunProgress:
    """Writes a line every ten seconds of a run."""

    def __init__(self, label: str) -> None:
        """Start the clock; `label` opens each line."""
        self._label = label
        self._started = self._written = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take the state of the run; called more often than lines are written."""
        now = time.monotonic()
        if now - self._written < _LINE_EVERY_S:
            return
        self._written = now
        elapsed_s = now - self._started
        log.info(
            "%s, %.0f s: issued %d, answered %d (%.1f a second), waiting %d, failed %d",
            self._label,
            elapsed_s,
            progress.issued,
            progress.completed,
            progress.completed / elapsed_s,
            progress.issued - progress.completed,
            progress.failed,
        )
