"""Server: requests as a Poisson process, to an endpoint that answers at once.

    python bench/server.py [--rounds 3] [--quick] [--only-ours] [--source NAME=CHECKOUT ...]

Latencies are what each client counts itself; LoadGen and contenders.py count from the scheduled time.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from contenders import Load
from endpoint import endpoint
from measure import Compared, Figures, interleaved
from options import parsed, show
from ours import OurRun, our_client
from peers import LEAST, PYTHON_CLIENTS, Bench, Contenders, figures_of, least, python_client, without_the_busy
from programs import once_of, using_more_cores, whole_programs
from stores import request_store

RATES = (400, 1000, 3000)
_MOST_OF_A_PROGRAM = 4000  # requests that it keeps in its memory
_SAMPLES = 4000  # bodies; their 460 MB stay in the page cache


def title_of(rate: float) -> str:
    """Return what the case of a rate is called."""
    return f"Server, {rate:,} queries/s"


def ours(store: Path, queries: int, rate: float, workers: int, source: Path) -> Figures:
    """Run our client with LoadGen."""
    with endpoint() as server:
        run = OurRun((server.url,), str(store), _SAMPLES, "server", rate, workers, source=str(source))
        driven = our_client(replace(run, queries=queries))
    latency = {f"latency_{share}_ms": ns / 1e6 for share, ns in driven.loadgen["latency"].items()}
    delay = {
        f"delay_{share}_ms": driven.report["schedule_delay"][f"{share}_s"] * 1e3 for share in ("p50", "p99")
    }
    return figures_of(driven.spent, server.rows, **driven.span) | latency | delay


def compare(bench: Bench) -> dict[str, Compared]:
    """Measure all rates."""
    store = request_store(_SAMPLES)
    found: dict[str, Compared] = {}
    slower: Compared | None = None
    for rate in RATES:
        queries = rate * (5 if bench.quick else 10)
        contenders: Contenders = {}
        for name, source in bench.sources.items():
            for workers in (1, 2) if rate == RATES[-1] else (1,):
                label = f"{name}, {workers} worker{'s' * (workers > 1)}"
                contenders[label] = partial(ours, store, queries, rate, workers, source)
        own = tuple(contenders)
        if not bench.only_ours:
            for name, client in PYTHON_CLIENTS:
                load = Load(client, "", str(store), queries, rate=rate)
                contenders[name] = partial(python_client, bench, load)
            contenders[LEAST] = partial(least, store, queries, rate)
            for name, run in whole_programs(bench).items():
                contenders[name] = partial(run, bench, store, min(queries, _MOST_OF_A_PROGRAM), rate)
        contenders = without_the_busy(contenders, slower, keep=(LEAST, *own, *using_more_cores(bench)))
        found[title_of(rate)] = slower = interleaved(
            title_of(rate), contenders, bench.rounds, once=once_of(bench)
        )
    return found


if __name__ == "__main__":
    for title, compared in compare(parsed(sys.argv[1:], __doc__)).items():
        show(title, compared)
