"""The chart of model quality: a bar for each subject, with its interval, grouped by domain."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from weighbridge.records.quality_answers import CHANCE
from weighbridge.records.quality_scores import SubjectAccuracy
from weighbridge.report.figures.style import ACCENT, BAD, INK, LINE, MUTED, WASH, new_figure

_ROW_IN, _MARGINS_IN = 0.2, 1.0  # height of a row; of axis and its label together
_SMALL_POINTS = 9  # 57 rows; the longest name of a subject leaves half of the width to the bars
_HEADING_ROWS = 1.6  # above the bars of a domain


def score_by_subject(subjects: Mapping[str, SubjectAccuracy], asked_how: str) -> Figure:
    """Return horizontal bars of the accuracy by subject, the best of each domain first.

    Args:
        subjects: By name, those of a domain one after the other.
        asked_how: Protocol, shots and limits, below the axis.
    """
    domains = {
        name: sorted(of, key=lambda item: -item[1].accuracy)
        for name, of in groupby(subjects.items(), key=lambda item: item[1].domain)
    }
    rows = len(subjects) + _HEADING_ROWS * len(domains)
    figure, [axes] = new_figure(height_in=_MARGINS_IN + _ROW_IN * rows)
    place, labels, headings = 0.0, dict[float, str](), dict[float, str]()
    for domain, of in domains.items():
        headings[place + _HEADING_ROWS - 1] = domain
        place += _HEADING_ROWS
        places = [place + row for row in range(len(of))]
        _draw_bars(axes, places, [each for _, each in of])
        labels |= {at: f"{label_of(name)} ({each.n:,})" for at, (name, each) in zip(places, of, strict=True)}
        place += len(of)
    _label_rows(axes, labels, headings)
    _style_axes(axes, place)
    figure.supxlabel(asked_how, x=0.98, horizontalalignment="right", fontsize=_SMALL_POINTS, color=MUTED)
    return figure


def label_of(subject: str) -> str:
    """Return a subject's name for people, short: HS US history for high_school_us_history."""
    words = subject.replace("high_school", "HS").split("_")
    return " ".join("US" if word == "us" else word for word in words)


def _draw_bars(axes: Axes, places: Sequence[float], shares: Sequence[SubjectAccuracy]) -> None:
    values = [each.accuracy for each in shares]
    axes.barh(places, values, height=0.72, color=WASH, edgecolor=ACCENT, linewidth=0.8)
    axes.errorbar(
        values,
        places,
        xerr=[
            [each.accuracy - each.low for each in shares],
            [each.high - each.accuracy for each in shares],
        ],
        linestyle="",
        color=INK,
        elinewidth=1.2,
        capsize=2,
    )


def _label_rows(axes: Axes, labels: Mapping[float, str], headings: Mapping[float, str]) -> None:
    rows = sorted({**labels, **headings}.items())
    axes.set_yticks([at for at, _ in rows], [text for _, text in rows], fontsize=_SMALL_POINTS)
    for (at, _), label in zip(rows, axes.get_yticklabels(), strict=True):
        if at in headings:
            label.set(fontweight="bold", fontsize=_SMALL_POINTS + 1, color=INK)


def _style_axes(axes: Axes, end: float) -> None:
    """Scale the bars from 0 to 100 %, and mark what chance gives."""
    axes.set_ylim(end - 0.3, 0)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.tick_params(axis="x", top=True, labeltop=True, labelsize=_SMALL_POINTS + 1)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=LINE)
    axes.axvline(CHANCE, color=BAD, linestyle=(0, (4, 3)), linewidth=1.4)
    axes.annotate(
        "chance", (CHANCE, 0), xytext=(4, -3), textcoords="offset points", va="top", color=BAD,
        fontsize=_SMALL_POINTS,
    )  # fmt: skip
