"""The figure of the score: each level of the category with its confidence interval, against the floor."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weighbridge.evaluation.error_analysis import Level
from weighbridge.report.figures.style import ACCENT, BAD, CARD, INK, LINE, legend, new_figure

_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": ACCENT, "marker": "o"},
    {"color": INK, "marker": "D", "markerfacecolor": CARD},
)
_APART = 0.3  # of a row, between scenarios


def levels(scores: Mapping[str, Sequence[Level]], floor: float | None, floor_of: str) -> Figure:
    """Draw the scores of up to two runs, one row a score.

    Args:
        scores: By run; every run has the same scores in the same order, the gated one first.
        floor: Of the gated score; None where it has none.
        floor_of: Name of the gated score.
    """
    figure, [axes] = new_figure()
    names = [level.name for level in next(iter(scores.values()))]
    for index, ((run, levels), look) in enumerate(zip(scores.items(), _LOOKS, strict=False)):
        shift = _APART * (index - (len(scores) - 1) / 2)
        values = [level.value for level in levels]
        errors = [
            [level.value - level.low for level in levels],
            [level.high - level.value for level in levels],
        ]
        rows = [row + shift for row in range(len(levels))]
        axes.errorbar(
            values,
            rows,
            xerr=errors,
            label=run,
            linestyle="",
            markersize=6,
            capsize=3,
            elinewidth=1.4,
            **look,
        )
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=LINE)
    axes.margins(x=0.12)
    if floor is not None:
        _mark_floor(axes, floor, floor_of)
    axes.set_xlabel("score")
    if len(scores) > 1:
        legend(axes)
    return figure


def _mark_floor(axes: Axes, floor: float, floor_of: str) -> None:
    axes.axvline(floor, color=BAD, linestyle=(0, (4, 3)), linewidth=1.4)
    # The label stands on the side with more room: beyond the axes are the names of the scores.
    right = floor < sum(axes.get_xlim()) / 2
    axes.annotate(
        f"floor of {floor_of}", (floor, 0.02), xycoords=("data", "axes fraction"),
        xytext=(5 if right else -5, 0), textcoords="offset points",
        ha="left" if right else "right", va="bottom", color=BAD,
    )  # fmt: skip
