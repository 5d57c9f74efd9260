"""Draw why one short run says nothing: two servers of equal capacity that a whole run tells apart.

    python bench/equal_capacity.py [--seeds 20] > docs/one-run.svg

One server has 32 slots, the other 16 that are twice as fast, so that both do the same work a second. A closed
loop of 32 with DashInfer's answer lengths (88 to 152 tokens) is replayed against both with equal requests.
"""

import argparse
import io
import json
import sys

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.records.sweep_run import CellFigures
from weighbridge.report.figures.style import MUTED, SERIES, new_figure, styled
from weighbridge.requests.turns import TURN_TYPE, RunPhase, Turns
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.run_replay import replayed_figures

COUNTS = (50, 100, 200, 300, 500, 1000, 2000)
CLIENTS, FILLERS = 32, 64
SERVERS = (Behaviour(servers=32, tpot_s=0.01), Behaviour(servers=16, tpot_s=0.01, speed=2))
LENGTHS = (88, 152)

Floats = NDArray[np.float64]


def turns_of(counts: tuple[int, int, int]) -> Turns:
    """Return so many warm-up, measured and cool-down conversations of one turn."""
    turns = np.zeros(sum(counts), dtype=TURN_TYPE)
    turns["request"] = turns["conversation"] = np.arange(len(turns))
    turns["phase"] = np.repeat([RunPhase.WARMUP, RunPhase.MEASURED, RunPhase.COOLDOWN], counts)
    turns["due_s"] = np.nan
    return turns


def figures_of(server: Behaviour, measured: int, fillers: int, seed: int) -> CellFigures:
    """Return the figures of a run.

    Args:
        server: The server.
        measured: Number of measured requests.
        fillers: Number of warm-up and of cool-down requests; 0: of a run as most scripts make it.
        seed: Of the lengths.
    """
    counts = (fillers, measured, fillers)
    lengths = np.random.default_rng(seed).integers(*LENGTHS, sum(counts), endpoint=True).tolist()

    def body_of(request: int) -> bytes:
        content = {"messages": [{"role": "user", "content": str(request)}], "max_tokens": lengths[request]}
        return json.dumps({**content, "stream": False}, separators=(",", ":")).encode()[1:]

    workload = Workload.parse({"name": "w", "stream": False}, "here")
    figures = replayed_figures(turns_of(counts), LoadLevel(closed=CLIENTS), workload, body_of, server)
    assert figures is not None
    return figures


def ratios(measured: int, fillers: int, seed: int) -> tuple[float, float]:
    """Return the second server's throughput by the first's: over the whole run, and in the window."""
    one, other = (figures_of(server, measured, fillers, seed) for server in SERVERS)
    return other.qps_whole_run / one.qps_whole_run, other.qps / one.qps


def drawn(whole: Floats, window: Floats) -> Figure:
    """Return the figure.

    Args:
        whole: Ratios over whole runs without fillers, shape (counts, seeds).
        window: Ratios in the window, of the same shape.
    """
    figure, [axes] = new_figure()
    axes.axhline(1, color=MUTED, linewidth=1)
    for values, name, colour, line in (
        (whole, "whole run", SERIES[1], "--"),
        (window, "window between fillers", SERIES[0], "-"),
    ):
        low, high = np.quantile(values, (0.05, 0.95), axis=1)
        axes.fill_between(COUNTS, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(COUNTS, values.mean(axis=1), line, color=colour, marker="o", markersize=4, label=name)
    axes.set_xscale("log")
    axes.set_xticks(COUNTS, [f"{count:,}" for count in COUNTS])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("measured requests")
    axes.set_title("“speed-up” of two servers of equal capacity")
    axes.legend(loc="upper right")
    return figure


def main() -> None:
    """Replay, print the figures to stderr and the drawing to stdout."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    whole = np.array([[ratios(count, 0, seed)[0] for seed in seeds] for count in COUNTS])
    window = np.array([[ratios(count, FILLERS, seed)[1] for seed in seeds] for count in COUNTS])
    for count, row, inside in zip(COUNTS, whole, window, strict=True):
        sys.stderr.write(
            f"{count:5} requests: whole run {row.mean():.3f} (sd {row.std(ddof=1):.3f}), "
            f"window {inside.mean():.3f} (sd {inside.std(ddof=1):.3f})\n"
        )
    stream = io.StringIO()
    with styled():
        drawn(whole, window).savefig(stream, format="svg", metadata={"Date": None})
    sys.stdout.write("\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n")


if __name__ == "__main__":
    main()
