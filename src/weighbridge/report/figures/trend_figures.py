"""A trend: one figure of a result over all its recordings, with intervals, noise and what changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from weighbridge.report.figures.style import ACCENT, BAD, CARD, GOOD, INK, MUTED, WASH, new_figure

_HEIGHT_IN = 2.7
_MOST_DATES = 4
_FEW = 40  # points up to which each has a mark and its interval's ends
_ROOM = 0.12  # of the axis beyond the values
_SAME = 0.05  # of a value that never changed, to each side
_BAR = 0.42  # half-width of a noise bar


@dataclass(frozen=True)
class TrendPoint:
    """One recording of a figure."""

    value: float
    label: str
    """Of the horizontal axis: a date or a time."""
    low: float | None = None
    high: float | None = None
    expected: tuple[float, float] | None = None
    """Where the value would be within noise, given the one before; None: not known."""
    finding: str = ""
    """'improved', 'regressed' or anything else."""
    other_system: bool = False
    other_settings: bool = False


def trend(points: Sequence[TrendPoint], unit: str) -> Figure:
    """Return the values in the order of recording, equally spaced.

    A wash behind a value is the noise around the one before; vertical lines mark another system (solid) and
    other settings (dotted).
    """
    figure, [axes] = new_figure(height_in=_HEIGHT_IN)
    places = range(len(points))
    few = len(points) <= _FEW
    width = 1.2 if few else 0.4
    # Each is one artist for all points: one for each point takes a minute where there are thousands.
    washes = [
        [(place - _BAR, low), (place - _BAR, high), (place + _BAR, high), (place + _BAR, low)]
        for place, point in enumerate(points)
        for low, high in ([point.expected] if point.expected else ())
    ]
    axes.add_collection(PolyCollection(washes, facecolor=WASH, linewidth=0, zorder=1))
    intervals = [
        (place, point.low, point.high)
        for place, point in enumerate(points)
        if point.low is not None and point.high is not None
    ]
    if intervals:
        axes.vlines(*zip(*intervals, strict=True), color=ACCENT, linewidth=width, zorder=2)
    _mark_changes(axes, points)
    axes.plot(
        places, [point.value for point in points], color=ACCENT, linewidth=width, zorder=3,
        marker="o", markersize=5 if few else 2.5, markeredgecolor=CARD, markeredgewidth=0.6 if few else 0,
    )  # fmt: skip
    for finding, marker, colour in (("improved", "^", GOOD), ("regressed", "v", BAD)):
        found = [place for place in places if points[place].finding == finding]
        values = [points[place].value for place in found]
        axes.plot(found, values, marker, color=colour, markersize=9, markeredgecolor=CARD, zorder=4)
    _scale(axes, points)
    if unit:
        axes.set_title(unit)
    return figure


def _mark_changes(axes: Axes, points: Sequence[TrendPoint]) -> None:
    top = blended_transform_factory(axes.transData, axes.transAxes)
    systems = [place - 0.5 for place, point in enumerate(points) if point.other_system]
    settings = [
        place - 0.5 for place, point in enumerate(points) if point.other_settings and not point.other_system
    ]
    axes.vlines(systems, 0, 1, color=INK, linewidth=1, transform=top, zorder=1.5)
    axes.vlines(settings, 0, 1, color=MUTED, linewidth=1, linestyle=(0, (1, 2)), transform=top, zorder=1.5)


def _scale(axes: Axes, points: Sequence[TrendPoint]) -> None:
    """Fit the axes: to values and intervals, and so that a change within noise looks small."""
    every = [point.value for point in points]
    every += [end for point in points for end in (point.low, point.high) if end is not None]
    low, high = min(every), max(every)
    # The noise of two repeats can be so large that it would flatten all else: it is cut off then.
    span = high - low or _SAME * abs(high) or 1
    ends = [min(max(end, low - span), high + span) for point in points for end in point.expected or ()]
    low, high = min([low, *ends]), max([high, *ends])
    room = _ROOM * (high - low) or span
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(-0.6, len(points) - 0.4)
    step = max(1, -(-len(points) // _MOST_DATES))
    shown = range(0, len(points), step)
    axes.set_xticks(list(shown), [points[place].label for place in shown])
