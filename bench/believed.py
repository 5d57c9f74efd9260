"""Whole comparisons of simulated servers whose difference is known: may their verdicts be believed?

    python bench/believed.py [--gates 4,5,6,7] [--seconds 8] [--blocks 6] [--noise 0.02] [--json FILE]

4  Two equal servers: same within 5 %.
5  One that is 1.10 times as fast: the interval contains 1.10 and excludes 1, and the verdict is faster.
6  Equal capacity, 32 slots beside 16 that are twice as fast, 32 conversations at once, 1,000 requests: same
   within 5 %; while the rate over whole runs of 100 requests, which other tools print, shows about 1.11.
7  Equal servers that both become slower with time: same within 5 % in balanced blocks; measured one after
   the other, the false verdict slower.

Run noise is drawn anew before each run, by the server, and is part of 4, 5 and 7. Each line has the interval
of the speed-up, the verdict of the comparison, and the load average; a busy machine makes checks of the
client fail, and a row with such a check is not comparable. Exit code 1: a gate is not passed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.client.issuer import Target
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.records.comparison import ComparisonResult, ComparisonRow, Ratio
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.sweep.cell_figures import figures_of
from weighbridge.sweep.compare_blocks import compare_cells
from weighbridge.sweep.conduct import conduct, read_cells
from weighbridge.sweep.statistics import PairedRatio
from weighbridge.sweep.sweep_folder import SweepFolder

MODEL = "simulated"
SERVERS, MEAN_S = 8, 0.1
DRIFT = 0.02  # of a slot, by which each session is slower than the one before
SPEED = 1.1
SHORT_RUN, SHORT_RUNS = 100, 6


@dataclass(frozen=True)
class Believed:
    """What one comparison found.

    Attributes:
        gate: Name of the gate.
        ratio, low, high: B by A: requests/s, and the interval.
        verdict: Of the comparison; None: there is none.
        reasons: Why it is not comparable.
        passed: Whether it is as it must be.
        busy: The machine's load average at the end.
    """

    gate: str
    ratio: float
    low: float
    high: float
    verdict: str | None
    reasons: tuple[str, ...]
    passed: bool
    busy: float

    def __str__(self) -> str:
        found = f"{self.ratio:.4f} [{self.low:.4f}, {self.high:.4f}]"
        told = "passed" if self.passed else "NOT PASSED"
        why = f" ({'; '.join(self.reasons)})" if self.reasons else ""
        return f"{self.gate}: {found} {self.verdict or ''}{why}: {told}; load average {self.busy:.1f}"


class Quiet:
    """An observer that prints a dot a run."""

    def planned(self, *_: object) -> None:
        """Ignore it."""

    system = session = cell = measuring = planned

    def measured(self, *_: object) -> None:
        """Print a dot."""
        print(".", end="", file=sys.stderr, flush=True)


@contextmanager
def served(behaviour: Behaviour) -> Iterator[str]:
    """Start a simulated server in a process of its own; yield its URL."""
    command = ["simulate", "--model-name", MODEL, "--behaviour", behaviour.model_dump_json()]
    process = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", *command], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def compared(
    behaviours: Sequence[Behaviour], options: argparse.Namespace, **changes: Any
) -> tuple[Ratio, ComparisonRow]:
    """Measure two servers in a sweep; return B by A in requests/s by all runs, and the comparison's row."""
    with ExitStack() as running, tempfile.TemporaryDirectory() as folder:
        urls = [running.enter_context(served(each)) for each in behaviours]
        described: dict[str, Any] = {
            "name": "believed",
            "systems": {
                name: {"server": {"model_name": MODEL, "endpoints": [url]}}
                for name, url in zip("AB", urls, strict=True)
            },
            "workloads": [{"name": "w", "stream": False, "output_tokens": {"uniform": [88, 152]}}],
            "levels": {"closed": [16]},
            "blocks": options.blocks,
            "aa": False,
            "duration_s": options.seconds,
            "min_requests": 200,
            "warmup_s": 1.0,
        }
        settings = SweepSettings.parse(described | changes, "believed")
        out = Path(folder) / "sweep"
        conduct(settings, out, model=None, observer=Quiet())
        print(file=sys.stderr)
        plan = SweepFolder(out).read_plan(settings.name)
        cells = read_cells(out, plan)
        rates: dict[str, list[float]] = {"A": [], "B": []}
        for cell in sorted(cells, key=lambda each: each.block):
            if cell.figures is None:
                sys.exit(f"a run ended early: {cell.load.aborted}")
            rates[cell.system].append(cell.figures.qps)
        (row,) = compare_cells(settings, plan, cells).rows
        return PairedRatio.of(rates["A"], rates["B"]).record(), row


def judged(gate: str, found: tuple[Ratio, ComparisonRow], wanted: ComparisonResult) -> Believed:
    """Return what a comparison found, passed if its verdict is the wanted one."""
    ratio, row = found
    assert ratio.low is not None
    assert ratio.high is not None
    return Believed(
        gate,
        ratio.ratio,
        ratio.low,
        ratio.high,
        str(row.result),
        row.reasons,
        row.result is wanted,
        os.getloadavg()[0],
    )


def noisy(options: argparse.Namespace, **changes: Any) -> list[Behaviour]:
    """Return two servers with equal service times and run noise of their own; `changes` are the second's."""
    one = Behaviour(
        servers=SERVERS, mean_s=MEAN_S, distribution="exponential", run_noise_cv=options.noise, noise_seed=1
    )
    return [one, one.model_copy(update={"noise_seed": 2} | changes)]


def gate_4(options: argparse.Namespace) -> Iterator[Believed]:
    """Compare two equal servers."""
    yield judged("4 equal", compared(noisy(options), options), ComparisonResult.SAME)


def gate_5(options: argparse.Namespace) -> Iterator[Believed]:
    """Compare with a server of 1.10 times the speed."""
    found = judged("5 speed 1.10", compared(noisy(options, speed=SPEED), options), ComparisonResult.FASTER)
    contains = found.low <= SPEED <= found.high and found.low > 1
    yield Believed(**{**asdict(found), "passed": found.passed and contains})


def slots() -> list[Behaviour]:
    """Return servers of equal capacity, the second with half the slots, each twice as fast."""
    return [Behaviour(servers=32, tpot_s=0.01), Behaviour(servers=16, tpot_s=0.01, speed=2)]


def gate_6(options: argparse.Namespace) -> Iterator[Believed]:
    """Compare equal capacities by blocks, and by the rate over whole runs of few requests."""
    load = {"levels": {"closed": [32]}, "min_requests": 1_000, "duration_s": 1.0}
    yield judged("6 slots", compared(slots(), options, **load), ComparisonResult.SAME)
    with ExitStack() as running:
        one, other = (running.enter_context(served(each)) for each in slots())
        ratios = [whole_run(other, number) / whole_run(one, number) for number in range(SHORT_RUNS)]
    spread = 2.571 * float(np.std(ratios, ddof=1)) / SHORT_RUNS**0.5  # t of 5 degrees of freedom
    mean = float(np.mean(ratios))
    right = 1.06 < mean < 1.16
    name = f"6 whole runs of {SHORT_RUN}, which is false"
    yield Believed(name, mean, mean - spread, mean + spread, None, (), right, os.getloadavg()[0])


def whole_run(url: str, number: int) -> float:
    """Return the rate over a whole run of few requests, from the first sending to the last end."""
    workload = Workload.parse(
        {"name": "w", "seed": number, "stream": False, "output_tokens": {"uniform": [88, 152]}}, "believed"
    )
    level = LoadLevel(closed=32)
    counts = PhaseCounts(warmup=0, measured=SHORT_RUN, cooldown=0)
    with tempfile.TemporaryDirectory() as folder:
        build_workload_store(workload, [SliceSpec(1, 1, level, counts)], Path(folder) / "store")
        store, out = WorkloadStore.open(Path(folder) / "store"), Path(folder) / "run"
        turns = store.slice(1, level.name)
        target = Target((url,), store.sent_as(MODEL), ClientSettings())
        report = ConversationIssuer("whole run", level, turns).issue(target, out)
        figures = figures_of(pq.read_table(out / REQUESTS_TABLE), turns, level, workload, report)
    if figures is None or report.aborted:
        sys.exit(f"a run ended early: {report.aborted}")
    return figures.qps_whole_run


def gate_7(options: argparse.Namespace) -> Iterator[Believed]:
    """Compare equal servers that become slower, in balanced blocks and one after the other."""
    slot_s = options.seconds + 4  # with warm-up, reset and the start of processes
    drifting = [
        each.model_copy(update={"drift_per_s": DRIFT / slot_s}) for each in noisy(options, noise_seed=2)
    ]
    yield judged("7 drift, balanced", compared(drifting, options), ComparisonResult.SAME)
    wrong = compared(drifting, options, order="sequential")
    yield judged("7 drift, sequential, which is false", wrong, ComparisonResult.SLOWER)


GATES = {"4": gate_4, "5": gate_5, "6": gate_6, "7": gate_7}


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gates", default=",".join(GATES), help="Numbers of the gates; default: all.")
    parser.add_argument("--seconds", type=float, default=8.0, help="Length of a run's measured part.")
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--noise", type=float, default=0.02, help="Spread of the speed from run to run.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures.")
    options = parser.parse_args(arguments)
    found: list[Believed] = []
    for number in options.gates.split(","):
        for each in GATES[number](options):
            print(each, flush=True)
            found.append(each)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    return 0 if all(each.passed for each in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
