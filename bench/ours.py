"""Weighbridge's client as a contender: one run with LoadGen, in a process tree of its own.

`our_client` starts this file as a program; the checkout whose client runs can be another one than this.
"""

import json
import os
import re
import resource
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from endpoint import Rows
from measure import CannotRunError, Figures, Spent, spent_by
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
_COLUMNS = ("sample", "planned_ns", "sent_ns", "first_ns", "last_ns", "end_ns")
_NS_PER_MS = 1e6
_PERCENTILES = {"50.00": "p50", "99.00": "p99"}


@dataclass(frozen=True)
class OurRun:
    """One run of our client.

    Attributes:
        urls: Endpoints.
        store: Folder of the request store.
        samples: Samples of the store.
        queries: How many are sent at least; 0: each sample once.
        scenario: offline or server.
        target_qps: Server: queries/s.
        workers, connections: Settings of the client.
        tokens: Whether LoadGen counts first tokens.
        duration_s: LoadGen issues for at least this long.
        source: The checkout whose client runs.
    """

    urls: tuple[str, ...]
    store: str
    samples: int
    scenario: str = "offline"
    target_qps: float = 1.0
    workers: int = 1
    connections: int = 4096
    tokens: bool = False
    duration_s: float = 1.0
    queries: int = 0
    source: str = str(ROOT)


@dataclass
class Driven:
    """What a run of our client gave.

    Attributes:
        report: The load report, as run.json has it, and CPU seconds of the parent process (`parent_cpu_s`).
        loadgen: LoadGen's percentiles in ns, such as loadgen["first token latency"]["p99"].
        table: requests.parquet, its columns as arrays.
        spent: What the whole tree used.
    """

    report: dict[str, Any]
    loadgen: dict[str, dict[str, int]]
    table: dict[str, NDArray[np.int64]]
    spent: Spent

    @property
    def span(self) -> dict[str, int]:
        """When LoadGen issued the first sample, and when the last answer was read."""
        return {"start_ns": int(self.table["planned_ns"].min()), "end_ns": int(self.table["end_ns"].max())}


def our_client(run: OurRun) -> Driven:
    """Drive one run of our client.

    Raises:
        CannotRunError: the run failed, or lost a request.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, json.dumps(asdict(run)), folder]
        environment = os.environ | {"PYTHONPATH": f"{run.source}/src"}
        spent = spent_by(command, env=environment)
        report = json.loads(spent.output.splitlines()[-1])
        if report["aborted"] or report["failed"]:
            raise CannotRunError(f"the run ended with {report['aborted'] or report['failed']}")
        columns = pq.read_table(Path(folder) / "requests.parquet")
        table = {name: columns[name].to_numpy() for name in _COLUMNS}
        return Driven(report, _percentiles(Path(folder)), table, spent)


def _percentiles(folder: Path) -> dict[str, dict[str, int]]:
    summary = (folder / "mlperf_log_summary.txt").read_text()
    found: dict[str, dict[str, int]] = {}
    for share, kind, value in re.findall(
        r"^([\d.]+) percentile ([\w ]+?) \(ns\) *: (\d+)", summary, re.MULTILINE
    ):
        if share in _PERCENTILES:
            found.setdefault(kind, {})[_PERCENTILES[share]] = int(value)
    return found


def stamps_against_truth(driven: Driven, rows: Rows) -> Figures:
    """Compare our stamps of first and last tokens, and LoadGen's percentiles, with the endpoint's own.

    A sample's requests are paired in the order in which they were sent and in which they arrived.
    """
    table = driven.table
    ours = np.lexsort((table["sent_ns"], table["sample"]))
    truth = np.sort(rows, order=("sample", "arrived_ns"))
    if not np.array_equal(table["sample"][ours], truth["sample"]):
        raise CannotRunError("the endpoint answered other samples than the client sent")
    found: Figures = {}
    for name in ("first", "last"):
        found |= percentiles_ms(f"{name}_error", table[f"{name}_ns"][ours] - truth[f"{name}_ns"])
    true_ns = np.sort(truth["first_ns"] - table["planned_ns"][ours])
    for share, value in driven.loadgen.get("first token latency", {}).items():
        # The same element that LoadGen takes (results.cc).
        true = float(true_ns[int(len(true_ns) * {"p50": 0.5, "p99": 0.99}[share])])
        found |= {f"ttft_{share}_ms": value / _NS_PER_MS, f"true_ttft_{share}_ms": true / _NS_PER_MS}
        found[f"ttft_{share}_off_ms"] = (value - true) / _NS_PER_MS
    return found


def percentiles_ms(name: str, values_ns: NDArray[np.int64]) -> Figures:
    """Return median, 99th percentile and largest of times in ns, as NAME_p50_ms and so on."""
    p50, p99 = np.quantile(values_ns, [0.5, 0.99])
    figures = {"p50": p50, "p99": p99, "max": values_ns.max()}
    return {f"{name}_{share}_ms": float(value) / _NS_PER_MS for share, value in figures.items()}


def _drive(run: dict[str, Any], out: Path) -> dict[str, Any]:
    """Run our client in this process and those that it starts."""
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.client.issuer import Target
    from weighbridge.config.client_settings import ClientSettings
    from weighbridge.config.scenario_rules import Mode
    from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
    from weighbridge.requests.store import RequestStore

    round_ = load_round("demo")
    rules = {"min_duration_s": run["duration_s"], "min_query_count": run["queries"] or run["samples"]}
    loadgen = round_.loadgen_rules.model_copy(update={"token_latencies": run["tokens"]})
    scenario = round_.scenario(run["scenario"]).model_copy(update=rules)
    round_ = round_.model_copy(update={"samples": run["samples"], "loadgen": loadgen})
    issuer = LoadGenIssuer(round_, scenario, Mode.PERFORMANCE, run["target_qps"])
    client = ClientSettings(workers=run["workers"], connections=run["connections"])
    target = Target(tuple(run["urls"]), RequestStore.open(Path(run["store"])), client)
    before = resource.getrusage(resource.RUSAGE_SELF)
    report = issuer.issue(target, out)
    after = resource.getrusage(resource.RUSAGE_SELF)
    parent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = report.model_dump(mode="json", exclude={"settings"})
    found["failed"] = {name: count for name, count in found["failed"].items() if count}
    return found | {"parent_cpu_s": parent_s}


if __name__ == "__main__":
    print(json.dumps(_drive(json.loads(sys.argv[1]), Path(sys.argv[2]))))
