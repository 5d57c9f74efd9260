"""Charts of a sweep's single runs: distributions of latency, the series of blocks, completions over time."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from weighbridge.report.figures.comparison_figures import series_legend, series_style
from weighbridge.report.figures.style import MUTED, new_figure, share_axis
from weighbridge.report.sweep_curves import SHARES, Floats, RunCurves, counted

_LINES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (3, 1, 1, 1, 1, 1)))
_SHOWN = 0.99  # share of the requests up to which an axis of latencies reaches, and a tenth more


def latency_shares(panels: Mapping[str, Mapping[str, Floats]]) -> Figure:
    """Return the share of requests within each latency, for each system; the slowest 1 % is cut off.

    Args:
        panels: By name of the latency, from above to below, each system's latencies at `SHARES`, in s.
    """
    figure, plots = new_figure(len(panels), 3.0 + 2.2 * (len(panels) - 1), common_axis=False)
    place = int(_SHOWN * (len(SHARES) - 1))
    for axes, (title, systems) in zip(plots, panels.items(), strict=True):
        for number, (name, values) in enumerate(systems.items()):
            colour = series_style(number)["color"]
            axes.plot(values, SHARES, color=colour, linestyle=_LINES[number % len(_LINES)], label=name)
        share_axis(axes)
        axes.set_title("share of requests")
        axes.set_xlim(0, 1.1 * max(float(values[place]) for values in systems.values()))
        axes.set_xlabel(f"{title}, seconds")
    series_legend(figure, plots[0])
    return figure


def block_series(systems: Mapping[str, Sequence[tuple[int, float]]], title: str) -> Figure:
    """Return a figure of each system by run, in the order of measuring.

    Args:
        systems: Of each, the place of a run among all and its value.
        title: What the values are.
    """
    figure, [axes] = new_figure()
    for number, (name, runs) in enumerate(systems.items()):
        places, values = zip(*runs, strict=True)
        style = series_style(number)
        axes.plot(places, values, linewidth=1.0, label=name, **style)
        axes.axhline(sum(values) / len(values), color=style["color"], linewidth=0.8, linestyle=":")
    every = [value for runs in systems.values() for _, value in runs]
    low, high = min(every), max(every)
    room = max(0.15 * (high - low), 0.02 * high)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(0.5, max(place for runs in systems.values() for place, _ in runs) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    axes.set_title(title)
    axes.set_xlabel("runs in the order of measuring")
    series_legend(figure, axes)
    return figure


def completions(systems: Mapping[str, RunCurves]) -> Figure:
    """Return how many requests had ended by each time of one run of each system, and how many were due."""
    figure, [axes] = new_figure()
    due = max((curves.due_s for curves in systems.values()), key=len)
    if len(due):
        axes.plot(*counted(due), color=MUTED, linestyle=":", linewidth=2.2, label="due")
    for number, (name, curves) in enumerate(systems.items()):
        colour = series_style(number)["color"]
        times, counts = counted(curves.completed_s)
        axes.plot(times, counts, color=colour, linestyle=_LINES[number % len(_LINES)], label=name)
    axes.set_xlim(0, max(curves.window_s for curves in systems.values()))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title("requests completed")
    axes.set_xlabel("seconds since the window began")
    series_legend(figure, axes)
    return figure
