"""The chart of the scores: each with its confidence interval, and the bounds of those that are gated."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weighbridge.config.metric_rules import MetricRules
from weighbridge.evaluation.error_analysis import Level
from weighbridge.report.figures.style import ACCENT, BAD, CARD, INK, LINE, MUTED, legend, new_figure

# One style a scenario; a fourth scenario uses the first one again.
_STYLES: tuple[dict[str, Any], ...] = (
    {"color": ACCENT, "marker": "o"},
    {"color": INK, "marker": "D", "markerfacecolor": CARD},
    {"color": MUTED, "marker": "s"},
)
_ROW_SHARE = 0.6  # of a row's height, over which its scenarios are spread
_BOUND: dict[str, Any] = {"color": BAD, "linestyle": (0, (4, 3)), "linewidth": 1.4}


def score_levels(scores: Mapping[str, Sequence[Level]], metrics: Mapping[str, MetricRules]) -> Figure:
    """Return the scores of one or more scenarios with their confidence intervals, one row a score.

    A single bound is a named line over the whole chart; several bounds are marks in the rows of their scores.

    Args:
        scores: By the scenario's name; all scenarios have the same scores in the same order.
        metrics: The gated scores with their bounds. Bounds outside 0 to 1 are on another scale than the
            levels, and are not drawn; neither are scores, such as a length, beside others that are shares.
    """
    figure, [axes] = new_figure()
    scores = _on_one_scale(scores)
    names = [level.name for level in next(iter(scores.values()))]
    step = _ROW_SHARE / len(scores)
    for index, (scenario, levels) in enumerate(scores.items()):
        shift = step * (index - (len(scores) - 1) / 2)
        axes.errorbar(
            [level.value for level in levels],
            [row + shift for row in range(len(levels))],
            xerr=[
                [level.value - level.low for level in levels],
                [level.high - level.value for level in levels],
            ],
            label=scenario,
            linestyle="",
            markersize=6,
            capsize=3,
            elinewidth=1.4,
            **_STYLES[index % len(_STYLES)],
        )
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=LINE)
    axes.margins(x=0.12)
    _mark_bounds(axes, names, metrics)
    axes.set_xlabel("score")
    if len(scores) > 1:
        legend(axes)
    return figure


def _on_one_scale(scores: Mapping[str, Sequence[Level]]) -> dict[str, list[Level]]:
    """Return the scores that are shares in all scenarios; all of them, if none is."""
    large = {level.name for levels in scores.values() for level in levels if abs(level.value) > 1}
    shares = {
        scenario: [level for level in levels if level.name not in large]
        for scenario, levels in scores.items()
    }
    return shares if all(shares.values()) else {name: list(levels) for name, levels in scores.items()}


def drawn_bounds(rules: MetricRules) -> dict[str, float]:
    """Return a metric's bounds that the chart can draw, by what they are."""
    bounds = {"floor": rules.floor, "ceiling": rules.ceiling}
    return {label: value for label, value in bounds.items() if value is not None and 0 <= value <= 1}


def _mark_bounds(axes: Axes, names: Sequence[str], metrics: Mapping[str, MetricRules]) -> None:
    bounds = [
        (name, label, value)
        for name, rules in metrics.items()
        for label, value in drawn_bounds(rules).items()
        if name in names
    ]
    if len(bounds) != 1:
        for name, _, value in bounds:
            row = names.index(name)
            axes.plot([value, value], [row - 0.45, row + 0.45], **_BOUND)
        return
    [(name, label, value)] = bounds
    axes.axvline(value, **_BOUND)
    # The label is on the side with more room: beyond the axes are the names of the scores.
    right = value < sum(axes.get_xlim()) / 2
    axes.annotate(
        f"{label} of {name}", (value, 0.02), xycoords=("data", "axes fraction"),
        xytext=(5 if right else -5, 0), textcoords="offset points",
        ha="left" if right else "right", va="bottom", color=BAD,
    )  # fmt: skip
