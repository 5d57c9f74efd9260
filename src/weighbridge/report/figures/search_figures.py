"""The figure of the peak search: every probe in order, its rate and latency, and whether it passed."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weighbridge.records.search_record import Peak, Probe
from weighbridge.report.figures.style import ACCENT, BAD, CARD, INK, LINE, MUTED, new_figure, seconds_axis

# A drowned probe's latency only says how long it was watched; it must not flatten the others.
_HIGHEST = 2  # times the limit


def probes(peak: Peak) -> Figure:
    """Draw the probes' rates, and below them their p99, over their place in the search.

    A dot passed, a cross did not; a ring around it is a run of full length.
    """
    figure, [rates, latencies] = new_figure(rows=2)
    ceiling = _HIGHEST * peak.target_latency_s
    rates.plot(
        [probe.number for probe in peak.probes], [probe.target_qps for probe in peak.probes], color=LINE
    )
    rates.axhline(peak.peak_qps, color=MUTED, linewidth=1.2, linestyle=":")
    measured = [min(probe.p99_latency_s or 0, ceiling) for probe in peak.probes]
    seconds_axis(latencies, max(measured), peak.target_latency_s, vertical=True)
    for probe, latency_s in zip(peak.probes, measured, strict=True):
        _mark(rates, probe, probe.target_qps)
        if probe.p99_latency_s is not None:
            _mark(latencies, probe, latency_s)
    rates.margins(y=0.2)
    rates.set_title("queries/s")
    latencies.set_title("p99 latency, seconds")
    latencies.set_xlim(0.4, len(peak.probes) + 0.6)
    latencies.set_xlabel("probes in their order")
    return figure


def _mark(axes: Axes, probe: Probe, height: float) -> None:
    if probe.full_length:
        axes.plot(probe.number, height, "o", markersize=14, markerfacecolor="none", markeredgecolor=INK)
    if probe.passed:
        axes.plot(probe.number, height, "o", markersize=7, color=ACCENT, markeredgecolor=CARD)
    else:
        axes.plot(probe.number, height, "x", markersize=7, color=BAD, markeredgewidth=2)
