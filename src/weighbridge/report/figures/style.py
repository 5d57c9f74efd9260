"""The style of page and figures: colours, sizes, fonts, and the elements that figures share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator


@dataclass(frozen=True)
class Colour:
    """The two values of a role, as #rrggbb. Light values are unique: figures are mapped to roles by them."""

    light: str
    dark: str


# Ink, muted, accent, good, bad and open have a contrast of at least 4.5 : 1 on paper and on card.
PALETTE = {
    "ink": Colour("#1c2226", "#e6e9eb"),
    "muted": Colour("#59636b", "#a3adb5"),
    "line": Colour("#d9dee2", "#343c43"),
    "paper": Colour("#fbfbfa", "#14181b"),
    "card": Colour("#ffffff", "#1b2024"),
    "accent": Colour("#0f6483", "#6cc4e4"),
    "wash": Colour("#dcebf1", "#1f3a46"),
    "good": Colour("#1d6f42", "#6fcf97"),
    "bad": Colour("#a8321f", "#ff9b87"),
    "open": Colour("#7a5600", "#e8b84a"),
    # Systems side by side: Okabe's and Ito's colours, which colour-blind readers tell apart, for marks alone.
    "series-1": Colour("#0072b2", "#56b4e9"),
    "series-2": Colour("#d55e00", "#e69f00"),
    "series-3": Colour("#007a5a", "#34cfa3"),
    "series-4": Colour("#b0578d", "#e3a2c8"),
    "series-5": Colour("#7d6608", "#f0e442"),
}
SERIES = tuple(colour.light for role, colour in PALETTE.items() if role.startswith("series-"))
"""Colours of systems side by side."""

# A figure is shown between 340 and 560 pixels wide, so that 11 points stay readable on a phone.
_WIDTH_IN, _HEIGHT_IN = 4.6, 3.0
_POINTS = 11
_HEADROOM = 1.12  # length of an axis over its largest value
_HEADROOM_WITH_NAME = 1.3  # where a name is written above the values
_FAR = 3  # times the largest value: a limit so far away is named, not drawn

INK, MUTED, LINE, CARD, ACCENT, WASH, GOOD, BAD = (
    PALETTE[role].light for role in ("ink", "muted", "line", "card", "accent", "wash", "good", "bad")
)
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": _POINTS,
    "axes.titlesize": _POINTS,
    "axes.titlelocation": "left",
    "axes.titlecolor": MUTED,
    "axes.titlepad": 8,
    "axes.labelsize": _POINTS,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": CARD,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "figure.facecolor": CARD,
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
    "legend.borderaxespad": 0,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "xtick.major.size": 4,
    "svg.fonttype": "none",  # text stays text: the page's font and colours apply, and it can be searched
    "svg.hashsalt": "weighbridge",  # the same data makes the same bytes
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style to all figures that are made and written in this context."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(
    rows: int = 1, height_in: float | None = None, *, common_axis: bool = True
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its plots, one below the other.

    Args:
        rows: Number of plots.
        height_in: Height of the figure in inches; default: by the number of plots.
        common_axis: Whether the plots have one horizontal axis.
    """
    figure = Figure(figsize=(_WIDTH_IN, height_in or _HEIGHT_IN + 1.1 * (rows - 1)))
    axes = figure.subplots(rows, 1, sharex=common_axis, squeeze=False)[:, 0]
    for each in axes:
        for axis, most in ((each.xaxis, 7), (each.yaxis, 5)):
            axis.set_major_locator(MaxNLocator(nbins=most, min_n_ticks=3, steps=[1, 2, 5, 10]))
            axis.set_major_formatter(FuncFormatter(compact))
    return figure, list(axes)


def compact(value: float, _position: int | None = None) -> str:
    """Return the label of a tick: 0.05, 12, 4,800, 150k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e5, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.4g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def share_axis(axes: Axes) -> None:
    """Scale the vertical axis from 0 to 100 %."""
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))


def time_axis(axes: Axes, duration_s: float) -> None:
    """Label the horizontal axis as time since the first issue, in minutes for runs above 3 minutes."""
    minutes = duration_s > 180
    axes.set_xlim(0, duration_s)
    if minutes:
        step_s = next(
            (step for step in (60, 120, 300, 600, 1200, 1800, 3600) if duration_s / step <= 7), 7200
        )
        axes.set_xticks([step_s * index for index in range(int(duration_s / step_s) + 1)])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 60:g}"))
    axes.set_xlabel("minutes" if minutes else "seconds")


def seconds_axis(axes: Axes, largest: float, limit_s: float | None, *, vertical: bool) -> None:
    """Scale an axis of latencies from 0, and draw their limit as a dashed line with its name.

    A limit far above all values is named at the axis's end and not drawn, because it would flatten the curve.

    Args:
        axes: The plot.
        largest: The largest value, in seconds.
        limit_s: None: there is no limit.
        vertical: Whether the latencies are on the vertical axis.
    """
    far = limit_s is not None and limit_s > _FAR * largest
    end = largest if limit_s is None or far else max(largest, limit_s)
    headroom = _HEADROOM_WITH_NAME if far and vertical else _HEADROOM
    (axes.set_ylim if vertical else axes.set_xlim)(0, headroom * max(end, 1e-9))
    if limit_s is None:
        return
    name = f"limit {limit_s:g} s" + (", far above" if far else "")
    if not far:
        draw = axes.axhline if vertical else axes.axvline
        draw(limit_s, color=BAD, linestyle=(0, (4, 3)), linewidth=1.4)
    place = (1.0, 0.98) if far else (1.0, limit_s) if vertical else (limit_s, 0.98)
    across: Literal["axes fraction", "data"] = "axes fraction" if far or vertical else "data"
    up: Literal["axes fraction", "data"] = "data" if vertical and not far else "axes fraction"
    axes.annotate(
        name, place, xycoords=(across, up), color=BAD, ha="right",
        xytext=(0, 3) if vertical and not far else (-5, 0), textcoords="offset points",
        va="bottom" if vertical and not far else "top",
    )  # fmt: skip


def legend(axes: Axes) -> None:
    """Add a legend above the plot, where it hides nothing."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.02), ncols=4, columnspacing=1.2, handletextpad=0.5)
