"""A chart of a report: its place, title, caption and drawing; or the reason why it cannot be drawn."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

# Also the folders of the image files, and the names of their captions in workflow/report.
GROUPS = {
    "latency": "Latency",
    "load": "Load",
    "tokens": "Tokens",
    "server": "Server queue",
    "machines": "GPUs and processors",
    "accuracy": "Accuracy",
    "search": "Peak search",
}


@dataclass(frozen=True)
class Chart:
    """A chart that can be drawn."""

    group: str
    key: str
    """Unique in the report; also the name of its image file."""
    title: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class ChartGap:
    """A chart that cannot be drawn, with the reason and the remedy."""

    group: str
    title: str
    sentence: str
