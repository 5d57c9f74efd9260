"""Measured latencies against those that the simulated server's own model computes.

    python bench/oracle.py [--rounds 3] [--source NAME=CHECKOUT ...]

8 servers with an exponential service time of 0.1 s, 64 queries/s.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
from measure import Compared, Figures, interleaved
from options import parsed, show
from ours import OurRun, our_client
from peers import Bench
from stores import SMALL_PICTURE_BYTES, request_store

from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import Behaviour, predict, service_times

TITLE = "Measured against computed latencies"
_BEHAVIOUR = Behaviour(servers=8, mean_s=0.1, distribution="exponential")
_RATE = 64
_SERVER = """
import sys
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.known_answers import KnownAnswers
from weighbridge.simulate.simulated_server import serve
behaviour = Behaviour.parse_json(sys.argv[1], "bench")
serve(behaviour, KnownAnswers("m"), ready=lambda url: print(url, flush=True))
"""


@contextmanager
def _simulated_server() -> Iterator[str]:
    command = [sys.executable, "-c", _SERVER, _BEHAVIOUR.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def ours(store: Path, samples: int, source: Path) -> Figures:
    """Run our client with LoadGen, and compute what an ideal client would have measured."""
    with _simulated_server() as url:
        driven = our_client(OurRun((url,), str(store), samples, "server", _RATE, source=str(source)))
    order, bodies = np.argsort(driven.table["sent_ns"]), RequestStore.open(store)
    table = {name: column[order] for name, column in driven.table.items()}
    sent = [bodies.body(sample) for sample in table["sample"]]
    times_s = service_times(sent, _BEHAVIOUR, repeat(1, len(sent)))
    found: Figures = {}
    for side, seconds in (
        ("measured", (table["end_ns"] - table["sent_ns"]) / 1e9),
        ("computed", predict(table["sent_ns"] / 1e9, times_s[:, 1], _BEHAVIOUR.servers)),
    ):
        found[f"mean_{side}_ms"] = float(np.mean(seconds)) * 1e3
        for share, percent in (("p50", 0.5), ("p99", 0.99)):
            found[f"{share}_{side}_ms"] = float(np.quantile(seconds, percent)) * 1e3
    return found


def compare(bench: Bench) -> dict[str, Compared]:
    """Measure and compute."""
    samples = 500 if bench.quick else 2_000
    store = request_store(samples, picture_bytes=SMALL_PICTURE_BYTES)
    contenders = {name: partial(ours, store, samples, source) for name, source in bench.sources.items()}
    return {TITLE: interleaved(TITLE, contenders, 1 if bench.quick else bench.rounds)}


if __name__ == "__main__":
    for title, compared in compare(parsed(sys.argv[1:], __doc__)).items():
        show(title, compared)
