"""24,000 requests in flight: whether all are answered, and how late they leave.

    python bench/in_flight.py [--rounds 3] [--quick] [--source NAME=CHECKOUT ...]

2,400 queries/s to two endpoints, answered after 10 s. One process may often open fewer than 24,000 files, so
there are two workers and two endpoints.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from endpoint import endpoint
from measure import Compared, Figures, interleaved
from options import parsed, show
from ours import OurRun, our_client
from peers import Bench, figures_of
from stores import FULL, request_store

TITLE = "24,000 requests in flight"
_DELAY_MS = 10_000
_RATE = 2_400
_SAMPLES = 4_000


def ours(store: Path, queries: int, source: Path) -> Figures:
    """Run our client with LoadGen, two workers and two endpoints."""
    with endpoint(delay_ms=_DELAY_MS) as one, endpoint(delay_ms=_DELAY_MS) as two:
        urls = (one.url, two.url)
        run = OurRun(urls, str(store), _SAMPLES, "server", _RATE, 2, 30_000, source=str(source))
        driven = our_client(replace(run, queries=queries))
    rows, report = np.concatenate([one.rows, two.rows]), driven.report
    figures = figures_of(driven.spent, rows, **driven.span)
    figures |= {
        f"delay_{share}_ms": report["schedule_delay"][f"{share}_s"] * 1e3 for share in ("p50", "p99", "max")
    }
    figures |= {f"latency_{share}_ms": ns / 1e6 for share, ns in driven.loadgen["latency"].items()}
    figures["most_in_flight"] = max(count for _, count in report["in_flight"])
    figures["lost"] = report["issued"] - report["completed"]
    return figures


def compare(bench: Bench) -> dict[str, Compared]:
    """Measure; the small number of rounds is the case's length, 30 s a run."""
    store, queries = request_store(_SAMPLES), FULL // 2 + 4_000 if bench.quick else FULL
    contenders = {name: partial(ours, store, queries, source) for name, source in bench.sources.items()}
    return {TITLE: interleaved(TITLE, contenders, bench.rounds)}


if __name__ == "__main__":
    for title, compared in compare(parsed(sys.argv[1:], __doc__)).items():
        show(title, compared)
