"""Charts of a comparison: speed-ups, throughput against latency, and a user's share against the device's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from weighbridge.records.comparison import Interval, Ratio
from weighbridge.report.figures.style import CARD, INK, MUTED, SERIES, WASH, new_figure

_MARKERS = "os^Dv"
_ROW_IN, _MARGIN_IN = 0.3, 1.0
_WIDEST = 8.0  # times or one by it: intervals are cut off there
_LEGEND_LETTERS = 48  # of a line of the legend
_FEW = 5  # points of a curve that can all be labelled


@dataclass(frozen=True)
class ForestRow:
    """One row of the forest plot; no ratio: not comparable."""

    label: str
    ratio: Ratio | None
    noise_floor: bool = False


@dataclass(frozen=True)
class LoadPoint:
    """One load of one system: a value on each axis."""

    label: str
    x: Interval
    y: Interval
    open: bool = False


Curves = dict[str, list[LoadPoint]]
"""Points of each system in the order of their loads."""


def series_style(number: int) -> dict[str, Any]:
    """Return colour and marker of a system by its number, so that neither alone tells them apart."""
    return {
        "color": SERIES[number % len(SERIES)],
        "marker": _MARKERS[(number + number // len(SERIES)) % len(_MARKERS)],
        "markersize": 5.5,
        "markeredgecolor": CARD,
        "markeredgewidth": 0.6,
    }


def series_legend(figure: Figure, axes: Axes) -> None:
    """Add a plot's legend above the figure, in as many lines as the systems need."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(len, labels))
    columns = max(1, min(len(labels), _LEGEND_LETTERS // (longest + 5)))
    figure.legend(
        handles, labels, loc="outside upper right", ncols=columns, columnspacing=1.0, handletextpad=0.4,
        fontsize="small",
    )  # fmt: skip


def speed_ups(rows: Sequence[ForestRow], equivalence: float) -> Figure:
    """Return the speed-ups with their intervals, and the band within which a difference counts as none.

    Args:
        rows: From above to below.
        equivalence: Margin of the band, such as 0.05.
    """
    figure, [axes] = new_figure(height_in=_MARGIN_IN + _ROW_IN * max(len(rows), 2))
    low, high = _bounds(rows, equivalence)
    axes.set_xscale("log")
    axes.axvspan(1 / (1 + equivalence), 1 + equivalence, color=WASH, linewidth=0)
    axes.axvline(1, color=MUTED, linewidth=1)
    for place, row in enumerate(rows):
        _draw_row(axes, place, row, (low, high))
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(low, high)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    ticks = _ratio_ticks(low, high)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda _value, _place: ""))
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set_xlabel("speed-up, times the baseline")
    return figure


def _draw_row(axes: Axes, place: int, row: ForestRow, limits: tuple[float, float]) -> None:
    if row.ratio is None:
        axes.annotate(
            "not comparable",
            (limits[0], place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color=MUTED,
            bbox={"facecolor": CARD, "edgecolor": "none", "pad": 1},
        )
        return
    colour = MUTED if row.noise_floor else SERIES[0]
    if row.ratio.low is not None and row.ratio.high is not None:
        ends = [max(row.ratio.low, limits[0]), min(row.ratio.high, limits[1])]
        axes.plot(ends, [place, place], color=colour, linewidth=2, solid_capstyle="butt")
    axes.plot(
        min(max(row.ratio.ratio, limits[0]), limits[1]),
        place,
        "D" if row.noise_floor else "o",
        color=colour,
        markersize=6,
        markeredgecolor=CARD,
        clip_on=False,
        zorder=3,
    )


def _bounds(rows: Sequence[ForestRow], equivalence: float) -> tuple[float, float]:
    known = [row.ratio for row in rows if row.ratio is not None]
    ends = [1 + 2 * equivalence, 1 / (1 + 2 * equivalence)]
    for ratio in known:
        ends += [ratio.ratio, ratio.low or ratio.ratio, ratio.high or ratio.ratio]
    low, high = max(min(ends), 1 / _WIDEST), min(max(ends), _WIDEST)
    room = (high / low) ** 0.06
    return low / room, high * room


def _ratio_ticks(low: float, high: float) -> list[float]:
    span = math.log(high / low)
    step = next((each for each in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if span / math.log1p(each) <= 6), 1.0)
    if step == 1.0:
        return [tick for tick in (0.125, 0.25, 0.5, 1, 2, 4, 8) if low <= tick <= high]
    first = math.ceil(low / step)
    return [round(place * step, 3) for place in range(first, int(high / step) + 1)]


def loads(panels: Sequence[Curves], titles: Sequence[str], x_label: str) -> Figure:
    """Return curves of systems over loads, a point a load with the intervals of both axes.

    Closed loops have filled marks, open ones empty ones.

    Args:
        panels: Of each plot, from above to below, the points of each system in the order of their loads.
        titles: What each plot's vertical axis is.
        x_label: What the common horizontal axis is.
    """
    figure, plots = new_figure(rows=len(panels))
    figure.set_figheight(figure.get_figheight() + 0.6 * (len(panels) - 1))
    for axes, systems, title in zip(plots, panels, titles, strict=True):
        for number, (name, points) in enumerate(systems.items()):
            _draw_curve(axes, name, number, points)
        axes.set_ylim(0, 1.12 * max(_end(point.y) for points in systems.values() for point in points))
        axes.set_title(title)
    # The curve at the edge of the others, where labels hide least.
    _label_points(plots[0], max(panels[0].values(), key=lambda points: max(point.x.mean for point in points)))
    plots[-1].set_xlim(left=0)
    plots[-1].margins(x=0.08)
    plots[-1].set_xlabel(x_label)
    series_legend(figure, plots[0])
    return figure


def _draw_curve(axes: Axes, name: str, number: int, points: Sequence[LoadPoint]) -> None:
    style = series_style(number)
    empty = {"markerfacecolor": CARD, "markeredgecolor": style["color"], "markeredgewidth": 1.4}
    for is_open in sorted({point.open for point in points}):
        drawn = [point for point in points if point.open is is_open]
        axes.errorbar(
            [point.x.mean for point in drawn],
            [point.y.mean for point in drawn],
            xerr=_errors([point.x for point in drawn]),
            yerr=_errors([point.y for point in drawn]),
            label=name,
            linewidth=1.4,
            elinewidth=1.1,
            **(style | empty if is_open else style),
        )
        name = "_" + name  # one entry in the legend


def _end(value: Interval) -> float:
    return value.mean if value.high is None else value.high


def _errors(values: Sequence[Interval]) -> list[list[float]]:
    """Return the distances of the intervals' ends below and above the means; 0 without an interval."""
    below = [0.0 if each.low is None else each.mean - each.low for each in values]
    above = [0.0 if each.high is None else each.high - each.mean for each in values]
    return [below, above]


def _label_points(axes: Axes, points: Sequence[LoadPoint]) -> None:
    """Label the points of a curve; of a long one the first and the last."""
    labelled = points if len(points) <= _FEW else [points[0], points[-1]]
    for point in labelled:
        axes.annotate(point.label, (point.x.mean, point.y.mean), xytext=(5, -11), color=INK,
                      textcoords="offset points", fontsize="x-small")  # fmt: skip
