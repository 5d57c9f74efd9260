"""Offline: all requests at once, to an endpoint that answers at once.

python bench/offline.py [--rounds 3] [--quick] [--only-ours] [--source NAME=CHECKOUT ...]
"""

import sys
from functools import partial
from pathlib import Path

from contenders import Load
from endpoint import endpoint
from measure import Compared, Figures, interleaved
from options import parsed, show
from ours import OurRun, our_client
from peers import PYTHON_CLIENTS, Bench, Contenders, figures_of, python_client, wrk
from programs import once_of, whole_programs
from stores import FULL, request_store

TITLE = "Offline"
_SLOW = 2_000  # requests of a client that needs a millisecond or two for each
_FAST = 10_000
_AT_ONCE = 512


def ours(store: Path, samples: int, workers: int, source: Path) -> Figures:
    """Run our client with LoadGen, which issues all samples in one query."""
    with endpoint() as server:
        driven = our_client(OurRun((server.url,), str(store), samples, workers=workers, source=str(source)))
    table = driven.table
    first_ms = (table["sent_ns"].min() - table["planned_ns"].min()) / 1e6
    return figures_of(driven.spent, server.rows, **driven.span) | {"first_ms": float(first_ms)}


def compare(bench: Bench) -> dict[str, Compared]:
    """Measure all contenders."""
    samples = FULL // 4 if bench.quick else FULL
    full, few = request_store(samples), request_store(_SLOW)
    contenders: Contenders = {}
    for name, source in bench.sources.items():
        for workers in (1, 2):
            label = f"{name}, {workers} worker{'s' * (workers > 1)}"
            contenders[label] = partial(ours, full, samples, workers, source)
    if not bench.only_ours:
        contenders["wrk, 64 connections, one body"] = partial(wrk, few, 64, 3)
        socket = Load("socket", "", str(full), _FAST)
        contenders["one blocking Python socket, no parsing"] = partial(python_client, bench, socket)
        for name, client in PYTHON_CLIENTS:
            load = Load(client, "", str(few), _SLOW, _AT_ONCE)
            contenders[name] = partial(python_client, bench, load)
        contenders |= {name: partial(run, bench, few, _SLOW) for name, run in whole_programs(bench).items()}
    return {TITLE: interleaved(TITLE, contenders, bench.rounds, once=once_of(bench))}


if __name__ == "__main__":
    for title, compared in compare(parsed(sys.argv[1:], __doc__)).items():
        show(title, compared)
