"""What those who follow runs are shown: panels on a terminal, lines elsewhere."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from weighbridge.monitor.follow import Sight
from weighbridge.monitor.lines import line
from weighbridge.monitor.panel import panel
from weighbridge.records.progress_record import Phase

_LINE_EVERY_S = 10.0


def picture(sights: Sequence[Sight], folder: Path) -> RenderableType:
    """Draw all runs: a panel for each that goes on; below, where a low terminal cuts, a line for others."""
    active: list[RenderableType] = [
        panel(sight.state, sight.place.relative_to(folder).as_posix(), sight.worry)
        for sight in sights
        if sight.active
    ]
    over = [_over(sight) for sight in sights if not sight.active]
    return Group(*(active or [Text(idle(sights, folder), style="dim")]), *over)


def _over(sight: Sight) -> Text:
    good = sight.state.phase is Phase.DONE
    return Text.assemble(("✓ " if good else "✗ ", "green" if good else "red"), line(sight.state))


def sentence(sight: Sight) -> str:
    """Say one run in a line."""
    return f"{line(sight.state)}{f'; {sight.worry}' if sight.worry else ''}"


def idle(sights: Sequence[Sight], folder: Path) -> str:
    """Say that no run is active."""
    if sights:
        return "no run is active"
    return f"no run has begun in {folder} (a run directory, its results, or a run's folder)"


class Lines:
    """Chooses what is new enough for a line: beginnings, ends, worries, and every ten seconds the figures."""

    def __init__(self, folder: Path) -> None:
        """Take the folder that is followed."""
        self._folder = folder
        self._said: dict[Path, tuple[tuple[object, ...], float]] = {}
        self._idle = ""

    def of(self, sights: Sequence[Sight]) -> Iterator[str]:
        """Yield the lines that are due."""
        now = time.monotonic()
        for sight in sights:
            key = (sight.state.label, sight.state.phase, bool(sight.worry))
            before, then = self._said.get(sight.place, ((), 0.0))
            if key != before or (sight.active and not sight.worry and now - then >= _LINE_EVERY_S):
                self._said[sight.place] = (key, now)
                yield sentence(sight)
        rest = "" if any(sight.active for sight in sights) else idle(sights, self._folder)
        if rest and rest != self._idle:
            yield f"{rest}; waiting for the next"
        self._idle = rest
