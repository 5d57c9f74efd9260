"""The figure of the peak search: every probe's rate and latency, and whether it passed."""

import matplotlib as mpl
from matplotlib.figure import Figure

from weighbridge.peak.record import Peak, Probe
from weighbridge.report.figures.style import ACCENT, BAD, CARD, INK, MUTED, new_figure, seconds_axis


def probes(peak: Peak) -> Figure:
    """Draw the probes in rate and p99; the number beside each is its place in the search.

    A filled mark passed, a cross did not; a ring around a mark is a run of full length.
    """
    figure, [axes] = new_figure()
    measured = [probe for probe in peak.probes if probe.p99_latency_s is not None]
    highest = max((probe.p99_latency_s or 0 for probe in measured), default=peak.target_latency_s)
    # A drowned probe's latency only says how long it was watched; it must not flatten the others.
    ceiling = min(highest, 2.5 * peak.target_latency_s)
    seconds_axis(axes, ceiling, peak.target_latency_s, vertical=True)
    axes.axvline(peak.peak_qps, color=MUTED, linewidth=1.2, linestyle=":")
    for probe in measured:
        _mark(axes, probe, min(probe.p99_latency_s or 0, ceiling))
    axes.margins(x=0.12)
    axes.set_title("p99 latency, seconds")
    axes.set_xlabel("queries/s")
    return figure


def _mark(axes: mpl.axes.Axes, probe: Probe, latency_s: float) -> None:
    where = (probe.target_qps, latency_s)
    if probe.full_length:
        axes.plot(
            *where, "o", markersize=15, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.1
        )
    if probe.passed:
        axes.plot(*where, "o", markersize=8, color=ACCENT, markeredgecolor=CARD)
    else:
        axes.plot(*where, "x", markersize=8, color=BAD, markeredgewidth=2)
    axes.annotate(
        str(probe.number),
        where,
        xytext=(0, 9),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=INK,
    )
