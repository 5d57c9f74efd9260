"""Many requests in flight: whether all are answered, and how late they leave.

    python bench/in_flight.py [--rounds 3] [--quick] [--source NAME=CHECKOUT ...]

2,400 queries/s, answered after so many seconds that 18,000 or 24,000 are open at a time; two workers. A
process may often open no more than 20,000 files, so 24,000 take two endpoints. 18,000 to one endpoint show
what connections to one address cost: each needs a local port of its own, which the system has to find.
"""

import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from endpoint import endpoint
from measure import Compared, Figures, interleaved
from options import parsed, show
from ours import OurRun, our_client
from peers import Bench, figures_of
from stores import FULL, request_store

_RATE = 2_400
_SAMPLES = 4_000


@dataclass(frozen=True)
class InFlight:
    """One case: `queries` are those of a quick run."""

    title: str
    endpoints: int
    delay_ms: int
    connections: int
    queries: int


CASES = (
    InFlight("18,000 requests in flight, one endpoint", 1, 7_500, 19_000, 22_000),
    InFlight("24,000 requests in flight, two endpoints", 2, 10_000, 30_000, 28_000),
)


def ours(case: InFlight, store: Path, queries: int, source: Path) -> Figures:
    """Run our client with LoadGen and two workers."""
    with ExitStack() as stack:
        servers = [stack.enter_context(endpoint(delay_ms=case.delay_ms)) for _ in range(case.endpoints)]
        urls = tuple(server.url for server in servers)
        run = OurRun(urls, str(store), _SAMPLES, "server", _RATE, 2, case.connections, source=str(source))
        driven = our_client(replace(run, queries=queries))
    rows, report = np.concatenate([server.rows for server in servers]), driven.report
    figures = figures_of(driven.spent, rows, **driven.span)
    for share in ("p50", "p99", "max"):
        figures[f"delay_{share}_ms"] = report["schedule_delay"][f"{share}_s"] * 1e3
    figures |= {f"latency_{share}_ms": ns / 1e6 for share, ns in driven.loadgen["latency"].items()}
    figures["most_in_flight"] = max(count for _, count in report["in_flight"])
    figures["lost"] = report["issued"] - report["completed"]
    return figures


def compare(bench: Bench) -> dict[str, Compared]:
    """Measure both cases."""
    store, found = request_store(_SAMPLES), {}
    for case in CASES:
        queries = case.queries if bench.quick else FULL
        contenders = {
            name: partial(ours, case, store, queries, source) for name, source in bench.sources.items()
        }
        found[case.title] = interleaved(case.title, contenders, bench.rounds)
    return found


if __name__ == "__main__":
    for title, compared in compare(parsed(sys.argv[1:], __doc__)).items():
        show(title, compared)
