"""What comparison tools say of one server that is compared with itself: error, noise, cost.

    python bench/tools.py [--rounds 6] [--requests 500] [--guidellm PYTHON] [--vllm PYTHON]

Two simulated servers are alike: 8 requests at once, service times of 0.1 s on average, a quarter of it to the
first of 16 tokens; both parts are exponential. Each tool measures both, one after the other in ABBA order,
once a round, in a closed loop of 32 and with Poisson arrivals of 40/s. The truth comes from the servers' own
logs: of open loops the latencies that they saw, of closed ones the same service times replayed in a loop
without start and end. Printed are the mean errors against it, the 95 % interval of the ratio of the two
servers, whose half-width is the smallest difference that the tool could show, and the CPU time of a request.

guidellm and vllm bench serve run with their defaults. `make bench-peers` makes vLLM's environment;
guidellm's is made by `uv venv bench/build/guidellm` and `uv pip install guidellm==0.8.1` into it.
"""

import argparse
import heapq
import json
import math
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
from measure import CannotRunError, Spent, spent_by
from programs import plain_environment, tokenizer_of_words
from rich.console import Console
from rich.table import Table
from stores import BUILD

from weighbridge.records.comparison import COMPARISON, SweepComparison
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.records.sweep_run import CELL_RECORD, CellRecord
from weighbridge.sweep.statistics import PairedRatio

SERVERS, MEAN_S, TOKENS, PROMPT_WORDS = 8, 0.1, 16, 60
# One event a token, so that the last one ends the answer.
BEHAVIOUR = {
    "servers": SERVERS,
    "distribution": "exponential",
    "ttft_s": 0.25 * MEAN_S,
    "tpot_s": 0.75 * MEAN_S / (TOKENS - 1),
}
CONCURRENCY, RATE = 32, 40.0
FIGURES = ("qps", "e2e_p50_s", "e2e_p99_s", "ttft_p50_s")


@dataclass(frozen=True)
class Told:
    """What a tool said of one run, and what it was in truth.

    Attributes:
        said, truth: Values of FIGURES, NaN where a tool does not say one.
        cpu_us: CPU time of the tool's processes for each request, from its first to its last.
    """

    said: tuple[float, ...]
    truth: tuple[float, ...]
    cpu_us: float


@dataclass(frozen=True)
class Asked:
    """What a tool is to do.

    Attributes:
        url: The server.
        requests: How many.
        rate: Requests/s; 0: a closed loop of CONCURRENCY.
        folder: For its files, with prompts.jsonl and tokenizer/.
    """

    url: str
    requests: int
    rate: float
    folder: Path


@contextmanager
def simulated(log: Path) -> Iterator[str]:
    """Start a simulated server; yield its URL."""
    command = [sys.executable, "-m", "weighbridge", "simulate", "--behaviour", json.dumps(BEHAVIOUR)]
    process = subprocess.Popen([*command, "--sent-log", str(log)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def truth_of(rows: pd.DataFrame, rate: float) -> tuple[float, ...]:
    """Return the true FIGURES of requests that a server answered.

    Args:
        rows: Of the server's log.
        rate: Of the arrivals; 0: a closed loop.
    """
    rows = rows.sort_values("arrived_ns")
    arrived, first, last = (rows[name].to_numpy() / 1e9 for name in ("arrived_ns", "first_ns", "last_ns"))
    if rate:
        latency, first = last - arrived, first - arrived
        span = arrived.max() - arrived.min()
        return (len(rows) / span, *np.quantile(latency, (0.5, 0.99)), float(np.median(first)))
    return _endless(_service_s(arrived, first, last))


def _service_s(arrived: np.ndarray, first: np.ndarray, last: np.ndarray) -> list[tuple[float, float]]:
    """Return the times to first and last token from the start of service, first come first served."""
    free = [-math.inf] * SERVERS
    found = []
    for at, begun, end in zip(arrived, first, last, strict=True):
        start = max(at, heapq.heappop(free))
        heapq.heappush(free, end)
        found.append((begun - start, end - start))
    return found


def _endless(service_s: list[tuple[float, float]], passes: int = 4) -> tuple[float, ...]:
    """Return the true FIGURES of a closed loop over these service times, without start and end."""
    free, waiting, ended = [0.0] * SERVERS, deque([0.0] * CONCURRENCY), []
    present: list[float] = []
    for number in range(passes * len(service_s)):
        if not waiting:
            waiting.append(heapq.heappop(present))
        arrived, (begun, service) = waiting.popleft(), service_s[number % len(service_s)]
        start = max(arrived, heapq.heappop(free))
        heapq.heappush(free, start + service)
        heapq.heappush(present, start + service)
        ended.append((start + service, arrived, start + begun))
    middle = ended[len(service_s) : -len(service_s)]
    ends, arrivals, firsts = np.array(middle).T
    latency = ends - arrivals
    qps = len(middle) / (ends.max() - ends.min())
    return (qps, *np.quantile(latency, (0.5, 0.99)), float(np.median(firsts - arrivals)))


def vllm_bench(python: str, asked: Asked) -> tuple[tuple[float, ...], Spent]:
    """Run `vllm bench serve`."""
    result = asked.folder / "vllm.json"
    command = [python, "-m", "vllm.entrypoints.cli.main", "bench", "serve", "--backend", "openai-chat"]
    command += ["--model", "simulated", "--endpoint", "/v1/chat/completions", "--base-url", asked.url]
    command += ["--dataset-name", "custom", "--dataset-path", str(asked.folder / "prompts.jsonl")]
    command += ["--tokenizer", str(asked.folder / "tokenizer"), "--skip-chat-template", "--disable-tqdm"]
    command += ["--num-prompts", str(asked.requests), "--custom-output-len", str(TOKENS), "--ignore-eos"]
    command += ["--percentile-metrics", "ttft,e2el", "--metric-percentiles", "50,99", "--save-result"]
    command += ["--result-dir", str(asked.folder), "--result-filename", result.name]
    command += ["--request-rate", str(asked.rate)] if asked.rate else ["--max-concurrency", str(CONCURRENCY)]
    spent = spent_by(command, env=plain_environment())
    told = json.loads(result.read_text())
    if told["completed"] != asked.requests:
        raise CannotRunError(f"it completed {told['completed']} of {asked.requests} requests")
    times = ("median_e2el_ms", "p99_e2el_ms", "median_ttft_ms")
    return (told["request_throughput"], *(told[name] / 1e3 for name in times)), spent


def guidellm(python: str, asked: Asked) -> tuple[tuple[float, ...], Spent]:
    """Run guidellm."""
    result = asked.folder / "guidellm.json"
    profile = f"kind=poisson,rate={asked.rate}" if asked.rate else f"kind=concurrent,streams={CONCURRENCY}"
    command = [str(Path(python).parent / "guidellm"), "run", "--profile", profile]
    command += ["--backend", f"kind=openai_http,target={asked.url},model=simulated"]
    command += ["--constraint", f"kind=max_requests,count={asked.requests}"]
    command += ["--data", f"kind=json_file,path={asked.folder / 'prompts.jsonl'}"]
    command += ["--tokenizer", f"kind=huggingface_auto,model={asked.folder / 'tokenizer'}"]
    command += ["--output", f"kind=json,path={result}", "--disable-console"]
    spent = spent_by(command, env=plain_environment())
    metrics = json.loads(result.read_text())["benchmarks"][0]["metrics"]
    if metrics["request_totals"]["successful"] < asked.requests:
        raise CannotRunError(f"it completed {metrics['request_totals']['successful']} requests")
    latency = metrics["request_latency"]["successful"]["percentiles"]
    first = metrics["time_to_first_token_ms"]["successful"]["percentiles"]["p50"] / 1e3
    qps = metrics["requests_per_second"]["successful"]["mean"]
    return (qps, latency["p50"], latency["p99"], first), spent


def one_run(
    tool: Callable[[str, Asked], tuple[tuple[float, ...], Spent]], python: str, asked: Asked, log: Path
) -> Told:
    """Let a tool measure once, against a server that has begun anew.

    Raises:
        CannotRunError: the tool is not installed, or failed.
    """
    if not Path(python).exists():
        raise CannotRunError(f"there is no {python}")
    with simulated(log) as url:
        said, spent = tool(python, Asked(url, asked.requests, asked.rate, asked.folder))
    rows = pd.read_csv(log)
    # The first request of vllm bench serve is a trial, and guidellm asks for no more than it is told.
    rows = rows.sort_values("arrived_ns").tail(asked.requests)
    cpu_s = spent.between(int(rows["arrived_ns"].min()), int(rows["last_ns"].max()))
    return Told(said, truth_of(rows, asked.rate), cpu_s / asked.requests * 1e6)


def prepare(folder: Path, requests: int, round_: int) -> None:
    """Write the prompts of a round, and a tokenizer to which a word is a token."""
    draws = Random(round_)
    words = [f"w{number}" for number in range(500)]
    lines = (
        {"prompt": " ".join(draws.choices(words, k=PROMPT_WORDS)), "output_tokens_count": TOKENS}
        for _ in range(2 * requests)  # guidellm's Poisson arrivals wait for ever for more than they send
    )
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tokenizer_of_words(folder)


def foreign(
    tool: Callable[[str, Asked], tuple[tuple[float, ...], Spent]],
    python: str,
    options: argparse.Namespace,
    rate: float,
) -> tuple[list[Told], list[Told]]:
    """Return what a tool says of both servers, one a round."""
    found: tuple[list[Told], list[Told]] = ([], [])
    for round_ in range(options.rounds):
        for server in (0, 1) if round_ % 2 == 0 else (1, 0):
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                prepare(folder, options.requests, round_)
                asked = Asked("", options.requests, rate, folder)
                found[server].append(one_run(tool, python, asked, folder / "log.csv"))
    return found


def ours(options: argparse.Namespace, rate: float) -> tuple[list[Told], list[Told]]:
    """Return what `weighbridge bench` says of both servers, one a block."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        logs = folder / "a.csv", folder / "b.csv"
        with ExitStack() as servers:
            urls = [servers.enter_context(simulated(log)) for log in logs]
            command = [sys.executable, "-m", "weighbridge", "bench", f"A={urls[0]}", f"B={urls[1]}"]
            command += ["--levels", f"poisson:{rate:g}" if rate else str(CONCURRENCY)]
            command += ["--blocks", str(options.rounds), "--output", str(TOKENS)]
            command += ["--seconds", f"{options.requests / (rate or SERVERS / MEAN_S):g}"]
            command += ["--prompt-tokens", str(PROMPT_WORDS), "--out", str(folder / "out")]
            spent_by(command, limit_s=3600)
        comparison = SweepComparison.read(folder / "out" / COMPARISON)
        assert comparison.rows
        return tuple(  # type: ignore[return-value]
            [
                _of_cell(path.parent, pd.read_csv(log), rate)
                for path in sorted((folder / "out").glob(f"w1/b*/{system}/*/*/{CELL_RECORD}"))
            ]
            for system, log in zip("AB", logs, strict=True)
        )


def _of_cell(folder: Path, rows: pd.DataFrame, rate: float) -> Told:
    cell = CellRecord.read(folder / CELL_RECORD)
    figures = cell.figures
    assert figures is not None
    requests = pd.read_parquet(folder / REQUESTS_TABLE)
    begun, ended = requests["sent_ns"].min(), requests["end_ns"].max()
    rows = rows[(rows["arrived_ns"] >= begun) & (rows["last_ns"] <= ended)]
    assert figures.e2e
    assert figures.ttft
    # Weighbridge itself says no p99 of fewer than 1,000 requests, which the other tools do.
    last = requests.sort_values("sent_ns").tail(figures.requests)
    start = last["planned_ns"] if rate else last["sent_ns"]
    p99 = float(np.quantile((last["end_ns"] - start) / 1e9, 0.99))
    said = figures.qps, figures.e2e.p50, p99, figures.ttft.p50
    return Told(said, truth_of(rows, rate), cell.load.client_cpu_us_per_request)


def row_of(name: str, told: tuple[list[Told], list[Told]]) -> list[str]:
    """Return a row of the table: errors in percent, half-widths in percent, CPU."""
    said, truth = (
        np.array([getattr(each, key) for each in (*told[0], *told[1])]) for key in ("said", "truth")
    )
    errors = (said / truth - 1) * 100
    cells = [name]
    cells += [f"{column.mean():+.1f} ± {column.std():.1f}" for column in errors.T]
    for figure in (0, 1):
        pairs = [[each.said[figure] for each in side] for side in told]
        low, high = PairedRatio.of(*pairs).log_interval()
        cells.append(f"{(math.exp(low) - 1) * 100:+.1f} .. {(math.exp(high) - 1) * 100:+.1f}")
    cpu = [each.cpu_us for side in told for each in side]
    return [*cells, f"{np.median(cpu):,.0f}"]


def main() -> None:
    """Measure all tools, and print a table for each load."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--requests", type=int, default=500)
    options.add_argument("--guidellm", default=str(BUILD / "guidellm" / "bin" / "python"))
    options.add_argument("--vllm", default=str(BUILD / "vllm" / "bin" / "python"))
    chosen = options.parse_args()
    console = Console(width=150)
    for rate in (0.0, RATE):
        title = f"Poisson arrivals, {rate:g}/s" if rate else f"Closed loop of {CONCURRENCY}"
        table = Table(
            "tool", *(f"{name}, error %" for name in FIGURES), "A/A qps %", "A/A p50 %", "CPU us", title=title
        )
        table.add_row(*row_of("weighbridge bench", ours(chosen, rate)))
        for name, tool, python in (
            ("vllm bench serve", vllm_bench, chosen.vllm),
            ("guidellm", guidellm, chosen.guidellm),
        ):
            try:
                table.add_row(*row_of(name, foreign(tool, python, chosen, rate)))
            except CannotRunError as error:
                table.add_row(name, f"did not run: {error}")
        console.print(table)


if __name__ == "__main__":
    main()
