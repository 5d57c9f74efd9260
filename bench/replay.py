"""Runs of conversations against the simulated server: what was measured, and what had to be.

    python bench/replay.py [--requests 2000] [--rounds 3] [--case closed-32 ...] [--theory] [--mean-ms 100]
                           [--json FILE]

8 servers, exponential service times, streamed and not: open loops at half and at 0.8 of the capacity, and
closed loops of 32, 16 and 4. Each run's throughput, mean, p50, p99 and mean TTFT must be within 2 % or 2 ms
of what the client's own schedule and an ideal queue give for the same requests; others are shown. With
--theory, and 10,000 requests, means must be within three standard deviations of queueing theory. Exit code 1:
a run is not. A busy machine delays answers: the load average stands beside each run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.client.issuer import Target
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.records.sweep_run import CellFigures
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.cell_prediction import compared_figures, sent_bodies
from weighbridge.simulate.queueing_theory import ClosedLoop, OpenLoop
from weighbridge.simulate.run_replay import replayed_figures
from weighbridge.sweep.cell_figures import figures_of

SERVERS = 8
OPEN_SHARES = (0.5, 0.8)  # of the capacity
CLOSED = (32, 16, 4)
_WITHIN, _WITHIN_S = 0.02, 2e-3
_JUDGED = ("qps", "e2e mean", "e2e p50", "e2e p99", "ttft mean")
_DELIVERED, _HELD = 0.01, 0.98
# Standard deviation of an open loop's mean latency at 10,000 requests, by share of the capacity.
_SPREADS = {0.5: 0.012, 0.8: 0.046}
_THEORY_REQUESTS = 10_000


@dataclass(frozen=True)
class Compared:
    """One figure of one run.

    Attributes:
        case: Name of the load and whether answers were streamed.
        round: Number of the run, from 1.
        figure: Its name.
        expected, measured: In 1/s or s.
        ok: Whether it is near enough; None: it is not judged.
        busy: The machine's load average at the end of the run.
    """

    case: str
    round: int
    figure: str
    expected: float
    measured: float
    ok: bool | None
    busy: float

    def __str__(self) -> str:
        judged = {True: "ok", False: "NOT NEAR", None: ""}[self.ok]
        error = self.measured / self.expected - 1 if self.expected else 0
        return (
            f"{self.case:20} run {self.round}  {self.figure:15} expected {self.expected:10.5f}  measured "
            f"{self.measured:10.5f}  {error:+8.3%}  load {self.busy:4.1f}  {judged}"
        )


def levels(mean_s: float) -> dict[str, tuple[LoadLevel, float]]:
    """Return the cases by name: the load, and the standard deviation of its mean at 10,000 requests."""
    capacity = SERVERS / mean_s
    found = {
        f"open-{share:g}": (LoadLevel(poisson=share * capacity), _SPREADS[share]) for share in OPEN_SHARES
    }
    return found | {
        f"closed-{clients}": (LoadLevel(closed=clients), _THEORY_REQUESTS**-0.5) for clients in CLOSED
    }


@contextmanager
def simulated_server(behaviour: Behaviour) -> Iterator[str]:
    """Start a server that answers any length; yield its URL."""
    arguments = ["simulate", "--behaviour", behaviour.model_dump_json()]
    command = [sys.executable, "-m", "weighbridge", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def built(folder: Path, level: LoadLevel, *, stream: bool, requests: int, runs: int) -> WorkloadStore:
    """Write the requests of all runs of a case, each with bytes of its own."""
    workload = Workload.parse({"name": "replay", "output_tokens": 20, "stream": stream}, "bench")
    around = max(2 * (level.closed or 0), requests // 20, 20)
    counts = PhaseCounts(warmup=around, measured=requests, cooldown=around)
    build_workload_store(workload, [SliceSpec(run, 1, level, counts) for run in range(1, runs + 1)], folder)
    return WorkloadStore.open(folder)


def measured(url: str, store: WorkloadStore, level: LoadLevel, run: int, out: Path) -> CellFigures:
    """Run once through our client; return the figures as a sweep has them."""
    turns = store.slice(run, level.name)
    target = Target((url,), store.sent_as("simulated"), ClientSettings(connections=1024))
    report = ConversationIssuer("replay", level, turns).issue(target, out)
    assert report.aborted is None, report.aborted
    figures = figures_of(pq.read_table(out / REQUESTS_TABLE), turns, level, store.manifest.workload, report)
    assert figures is not None
    return figures


def compared(case: str, run: int, expected: CellFigures, found: CellFigures) -> Iterator[Compared]:
    """Yield what must agree: throughput, latencies, and the load itself."""
    busy = os.getloadavg()[0]
    for each in compared_figures(expected, found):
        near: bool | None = abs(each.error) <= _WITHIN
        if each.name != "qps":
            near |= abs(each.measured - each.expected) <= _WITHIN_S
        if each.name not in _JUDGED:
            near = None
        yield Compared(case, run, each.name, each.expected, each.measured, near, busy)
    if found.offered_qps is not None:
        delivered = abs(found.sent_qps / found.offered_qps - 1) <= _DELIVERED
        yield Compared(case, run, "delivered", found.offered_qps, found.sent_qps, delivered, busy)
    else:
        held = found.concurrency >= _HELD * expected.concurrency
        yield Compared(case, run, "concurrency", expected.concurrency, found.concurrency, held, busy)


def against_theory(
    case: str, run: int, level: LoadLevel, mean_s: float, spread: float, found: CellFigures
) -> Iterator[Compared]:
    """Yield throughput and mean latency beside theory's."""
    loop: OpenLoop | ClosedLoop
    if level.closed:
        loop = ClosedLoop(level.closed, 1 / mean_s, SERVERS)
    else:
        loop = OpenLoop(level.rate or 0, 1 / mean_s, SERVERS)
    assert found.e2e is not None
    limit = 3 * spread * (_THEORY_REQUESTS / found.requests) ** 0.5
    for figure, theory, value in (
        ("qps in theory", loop.throughput, found.qps),
        ("mean in theory", loop.mean_s, found.e2e.mean),
    ):
        yield Compared(case, run, figure, theory, value, abs(value / theory - 1) <= limit, os.getloadavg()[0])


def run_case(name: str, options: argparse.Namespace, *, stream: bool) -> Iterator[Compared]:
    """Measure one case in all rounds."""
    mean_s = options.mean_ms / 1e3
    level, spread = levels(mean_s)[name]
    behaviour = Behaviour(servers=SERVERS, mean_s=mean_s, distribution="exponential")
    case = f"{name}, {'streamed' if stream else 'whole'}"
    with tempfile.TemporaryDirectory() as folder, simulated_server(behaviour) as url:
        out = Path(folder)
        store = built(out / "store", level, stream=stream, requests=options.requests, runs=options.rounds)
        body_of = sent_bodies(store, behaviour)
        for run in range(1, options.rounds + 1):
            found = measured(url, store, level, run, out / "run")
            turns, workload = store.slice(run, level.name), store.manifest.workload
            expected = replayed_figures(turns, level, workload, body_of, behaviour)
            assert expected is not None
            yield from compared(case, run, expected, found)
            if options.theory:
                yield from against_theory(case, run, level, mean_s, spread, found)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2_000, help="Measured requests of a run.")
    parser.add_argument("--rounds", type=int, default=3, help="Runs of each case.")
    parser.add_argument("--case", action="append", choices=[*levels(1)], help="Default: all.")
    parser.add_argument("--theory", action="store_true", help="Compare with theory as well.")
    parser.add_argument("--mean-ms", type=float, default=100, help="Mean service time.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures.")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return the exit code."""
    options = parsed(arguments)
    found: list[Compared] = []
    for name in options.case or levels(1):
        for stream in (True, False):
            for each in run_case(name, options, stream=stream):
                print(each, flush=True)
                found.append(each)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    judged = [each.ok for each in found if each.ok is not None]
    wrong = judged.count(False)
    print(f"{len(judged) - wrong} of {len(judged)} figures are near enough.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
