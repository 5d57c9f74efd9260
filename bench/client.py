"""Measure the cost of the load client and of other ways to send the same requests, interleaved.

    python bench/client.py [--rounds 5] [--quick]

Every contender posts bodies of about 116 KB to a simulated endpoint that answers immediately, on the same
cores. Each runs once per round, in an order that changes between rounds, so that disturbances affect all
contenders alike; compare by ratio. CPU time is user and system time of a contender's process tree, including
LoadGen but not the endpoint. Prints tables and writes bench/results/client.json.

The full-size store (48,289 distinct bodies, 5.6 GB) is built once, in bench/results/full.store.
"""

import argparse
import base64
import json
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq

from weighbridge.benchmarks.qwen3_vl.task import ProductCatalogue, Prompt
from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.issuer import Target
from weighbridge.client.process_group import SampleCounts
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.settings import ClientSettings
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.records.run_record import REQUESTS_TABLE, LoadReport
from weighbridge.requests.encoding import envelope
from weighbridge.requests.store import RequestStore, StoreOrigin, write_store
from weighbridge.simulate.behaviour import Behaviour, predict, service_times_s

HERE = Path(__file__).parent
FULL = 48289
PICTURE_BYTES = 84_000  # 112 KB in base64 and 3 KB of text, like a request of the real benchmark
SERVER = (
    "import sys\n"
    "from weighbridge.simulate.behaviour import Behaviour\n"
    "from weighbridge.simulate.responses import Answers\n"
    "from weighbridge.simulate.simulated_server import serve\n"
    "behaviour = Behaviour.parse_json(sys.argv[1], 'bench')\n"
    "serve(behaviour, Answers('m'), ready=lambda url: print(url, flush=True))\n"
)
WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open("%s", "rb"):read("*a")
"""

Figures = dict[str, float]


@contextmanager
def endpoint(behaviour: Behaviour | None = None) -> Iterator[str]:
    """Run the simulated server in a process of its own."""
    command = [sys.executable, "-c", SERVER, (behaviour or Behaviour()).model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def store_of(folder: Path, samples: int) -> Path:
    """Write a store of distinct bodies unless it exists."""
    if (folder / "manifest.json").exists() and RequestStore.open(folder).manifest.count == samples:
        return folder
    prefix, suffix = envelope(ProductCatalogue(Prompt(system="", user="")), "m", RequestSettings())
    picture = base64.b64encode(random.Random(1).randbytes(PICTURE_BYTES)).decode()

    def bodies() -> Iterator[bytes]:
        for number in range(samples):
            turn = number * 37 % len(picture)
            url = f"data:image/JPEG;base64,{picture[turn:]}{picture[:turn]}"
            content = [
                {"type": "text", "text": f"sample {number} " + "words " * 500},
                {"type": "image_url", "image_url": {"url": url}},
            ]
            yield f"{prefix}{json.dumps([{'role': 'user', 'content': content}])}{suffix}".encode()

    print(f"making {folder} ({samples} bodies) ...", file=sys.stderr)
    write_store(
        folder, bodies(), lambda: StoreOrigin(benchmark="bench", model_name="m", prefix=prefix, suffix=suffix)
    )
    return folder


def small_round(samples: int, duration_s: float) -> Round:
    """Return a round with this number of samples; a Server run lasts as long as its passes."""
    demo = load_round("demo")
    rules = {"min_duration_s": duration_s, "min_query_count": samples}
    changed = {name: found.model_copy(update=rules) for name, found in demo.scenarios.items()}
    return demo.model_copy(update={"samples": samples, "scenarios": changed})


@dataclass
class Driven:
    """One run of Weighbridge's client."""

    report: LoadReport
    private_bytes: int
    latency_ms: dict[str, float]
    first_s: float

    def figures(self) -> Figures:
        """Return the values of the tables."""
        return {
            "cpu_us": self.report.client_cpu_us_per_request,
            "rate": self.report.achieved_qps,
            "failed": self.report.failures,
            **self.latency_ms,
            "first_ms": self.first_s * 1e3,
            "private_mb": self.private_bytes / 1e6,
            "rss_mb": sum(self.report.peak_rss_bytes.values()) / 1e6,
        }


def our_client(
    urls: tuple[str, ...],
    store: Path,
    samples: int,
    scenario: str,
    target_qps: float,
    *,
    workers: int = 1,
    connections: int = 4096,
    out: Path | None = None,
) -> Driven:
    """Drive one run with LoadGen."""
    private = [0]

    def watch(_counts: SampleCounts) -> None:
        private.append(sum(private_bytes(process) for process in load_processes()))

    with tempfile.TemporaryDirectory() as temporary:
        folder = out or Path(temporary)
        round_ = small_round(samples, 1.0)
        issuer = LoadGenIssuer(round_, round_.scenarios[scenario], Mode.PERFORMANCE, target_qps)
        client = ClientSettings(workers=workers, connections=connections)
        report = issuer.issue(Target(urls, RequestStore.open(store), client), folder, watch)
        table = pq.read_table(folder / REQUESTS_TABLE)
        # LoadGen measures from the scheduled time, so delays of its own process are included.
        summary = (folder / "mlperf_log_summary.txt").read_text()
        percentiles = dict(re.findall(r"(50|99)\.00 percentile latency \(ns\) *: (\d+)", summary))
    planned, sent = table["planned_ns"].to_numpy(), table["sent_ns"].to_numpy()
    latency_ms = {f"p{name}_ms": int(value) / 1e6 for name, value in percentiles.items()}
    return Driven(report, max(private), latency_ms, (sent.min() - planned.min()) / 1e9)


def load_processes() -> list[psutil.Process]:
    """Return the client's processes: children of this process that run a worker or LoadGen."""
    modules = {"weighbridge.client.worker", "weighbridge.loadgen.loadgen_process"}
    return [child for child in psutil.Process().children() if modules & set(child.cmdline())]


def private_bytes(process: psutil.Process) -> int:
    """Return a process's private memory; clean pages of the store belong to the page cache."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(kb) * 1024 for kb in re.findall(r"Private_Dirty:\s+(\d+) kB", text))


def contender(name: str, url: str, store: Path, requests: int, concurrency: int, python: str) -> Figures:
    """Run one of the other contenders in a process of its own."""
    command = [python, str(HERE / "contenders.py"), name, url, str(store), str(requests), str(concurrency)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(output)
    return {"cpu_us": found["cpu_s"] / requests * 1e6, "rate": requests / found["wall_s"]}


def wrk(url: str, store: Path, concurrency: int) -> Figures:
    """Run wrk with one thread and one body, which stays in its caches."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "body").write_bytes(bytes(RequestStore.open(store).body(0)))
        script = Path(folder) / "post.lua"
        script.write_text(WRK_SCRIPT % (Path(folder) / "body"))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = ["wrk", "-t1", f"-c{concurrency}", "-d3s", "-s", str(script), f"{url}/v1/chat/completions"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    requests = int(re.search(r"(\d+) requests in", output)[1])  # type: ignore[index]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_us": cpu_s / requests * 1e6, "rate": requests / 3}


def against_the_oracle(folder: Path) -> Figures:
    """Compare measured latencies with those that the simulated server's model computes."""
    behaviour = Behaviour(servers=8, mean_s=0.1, distribution="exponential")
    store = store_of(folder / "oracle.store", 2000)
    with endpoint(behaviour) as url, tempfile.TemporaryDirectory() as out:
        our_client((url,), store, 2000, "server", 64, out=Path(out))
        table = pq.read_table(Path(out) / REQUESTS_TABLE).to_pandas().sort_values("sent_ns")
    bodies = RequestStore.open(store)
    services_s = service_times_s([bodies.body(sample) for sample in table["sample"]], behaviour)
    expected_s = predict(table["sent_ns"].to_numpy() / 1e9, services_s, behaviour.servers)
    measured_s = (table["end_ns"] - table["sent_ns"]).to_numpy() / 1e9
    figures = {"mean": np.mean, "p50": np.median, "p99": lambda values: np.quantile(values, 0.99)}
    return {
        f"{name}_{side}_ms": float(figure(values)) * 1e3
        for name, figure in figures.items()
        for side, values in (("measured", measured_s), ("expected", expected_s))
    }


def interleaved(contenders: dict[str, Callable[[], Figures]], rounds: int) -> dict[str, list[Figures]]:
    """Run each contender once per round, in a different order each time."""
    results: dict[str, list[Figures]] = defaultdict(list)
    for turn in range(rounds):
        names = list(contenders)
        random.Random(turn).shuffle(names)
        for name in names:
            results[name].append(contenders[name]())
            print(f"  round {turn + 1}: {name} {_brief(results[name][-1])}", file=sys.stderr)
    return {name: results[name] for name in contenders}


def _brief(figures: Figures) -> str:
    return " ".join(f"{key}={value:.4g}" for key, value in figures.items())


def summarise(runs: list[Figures]) -> dict[str, dict[str, float]]:
    """Return the median, smallest and largest of each value."""
    return {
        key: {
            "median": statistics.median(run[key] for run in runs),
            "min": min(run[key] for run in runs),
            "max": max(run[key] for run in runs),
        }
        for key in runs[0]
    }


def show(title: str, results: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print a table: median (smallest-largest)."""
    print(f"\n{title}")
    keys = list(dict.fromkeys(key for figures in results.values() for key in figures))
    print("| | " + " | ".join(keys) + " |")
    print("| --- |" + " --- |" * len(keys))
    for name, figures in results.items():
        cells = [
            f"{found['median']:.4g} ({found['min']:.4g}-{found['max']:.4g})" if found else ""
            for found in (figures.get(key) for key in keys)
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    """Measure, print the tables and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="Send a tenth of the requests, and skip the case with 24,000 open requests.",
    )
    parser.add_argument("--python", default=sys.executable, help="Interpreter with aiohttp and openai.")
    options = parser.parse_args()
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    samples = FULL // 10 if options.quick else FULL
    full = store_of(results / ("quick.store" if options.quick else "full.store"), samples)
    small = store_of(results / "small.store", 4000)
    load_before = os.getloadavg()
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}

    with endpoint() as url:
        others: dict[str, Callable[[], Figures]] = {
            "reference's way": lambda: contender("reference", url, small, 800, 512, options.python),
            "aiohttp, bytes": lambda: contender("aiohttp", url, small, 4000, 512, options.python),
            "blocking socket": lambda: contender("socket", url, full, 10_000, 1, options.python),
        }
        if shutil.which("wrk"):
            others["wrk, 64 connections"] = lambda: wrk(url, small, 64)
        ours: dict[str, Callable[[], Figures]] = {
            f"weighbridge, {workers} worker{'s' * (workers > 1)}": lambda workers=workers: our_client(
                (url,), full, samples, "offline", 1, workers=workers
            ).figures()
            for workers in (1, 2)
        }
        runs = interleaved(ours | others, options.rounds)
        found["offline"] = {name: summarise(figures) for name, figures in runs.items()}
        show("Offline: all at once", found["offline"])
        server: dict[str, Callable[[], Figures]] = {
            f"{rate} queries/s, {workers} worker{'s' * (workers > 1)}": lambda rate=rate, workers=workers: (
                our_client((url,), small, 4000, "server", rate, workers=workers).figures()
            )
            for rate, workers in ((400, 1), (1000, 1), (3000, 1), (3000, 2))
        }
        runs = interleaved(server, options.rounds)
        found["server"] = {name: summarise(figures) for name, figures in runs.items()}
        show("Server: Poisson arrivals, latency as LoadGen counts it", found["server"])

    if not options.quick:
        ten_seconds = Behaviour(mean_s=10)
        with endpoint(ten_seconds) as one, endpoint(ten_seconds) as two:
            run = our_client((one, two), full, FULL, "server", 2400, workers=2, connections=30_000)
            figures = run.figures() | {"most_in_flight": max(count for _, count in run.report.in_flight)}
            figures |= {"lost": run.report.issued - run.report.completed}
            found["24,000 in flight"] = {"2,400/s, answered after 10 s": summarise([figures])}
            show("24,000 requests in flight", found["24,000 in flight"])
    found["oracle"] = {"8 servers, mean 0.1 s, 64/s": summarise([against_the_oracle(results)])}
    show("Measured against computed latencies", found["oracle"])

    ours_us = found["offline"]["weighbridge, 1 worker"]["cpu_us"]["median"]
    theirs_us = found["offline"]["reference's way"]["cpu_us"]["median"]
    print(f"\nOffline, the reference's way costs {theirs_us / ours_us:.0f} times our CPU a request.")
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
    machine |= {"load_before": load_before, "load_after": os.getloadavg()}
    (results / "client.json").write_text(json.dumps({"machine": machine, "results": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
