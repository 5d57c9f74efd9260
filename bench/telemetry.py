"""Measure the CPU time of telemetry at its rate of one sample per second.

    python bench/telemetry.py [--seconds 15] [--rounds 3]

Another process serves full-size /metrics pages of vLLM 0.12; the server processes are idle ones. Each case is
recorded once per round, in an order that changes between rounds. The result is the CPU time of this process,
which does nothing else, at the real rate: a faster loop would have warm caches and look cheaper.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from weighbridge.records.run_record import TELEMETRY_FILE
from weighbridge.serving import vllm
from weighbridge.system.telemetry import recording

HERE = Path(__file__).parent
PAGE = HERE.parent / "tests" / "unit" / "golden" / "vllm-0.12-metrics.txt"  # of two engines
SERVE = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
page = open(sys.argv[1], "rb").read()
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
IDLE = "import sys; print(flush=True); sys.stdin.read()"
TREE = (
    "import subprocess, sys\n"
    f"for _ in range(int(sys.argv[1]) - 1): subprocess.Popen([sys.executable, '-c', {IDLE!r}])\n" + IDLE
)


@dataclass(frozen=True)
class Case:
    """What is recorded in addition to the host and the load client."""

    name: str
    endpoints: int = 0
    engines: int = 1
    processes: int = 0


CASES = (
    Case("host and client only"),
    Case("1 endpoint, 1 engine", 1),
    Case("2 endpoints, 1 engine each", 2),
    Case("1 endpoint, 8 engines", 1, engines=8),
    Case("1 endpoint, and a server of 30 processes", 1, processes=30),
)


def page_of(engines: int) -> str:
    """Return a /metrics page with this number of engines, built from a page of two."""
    lines = PAGE.read_text().splitlines(keepends=True)
    first = 'engine="0"'
    return "".join(
        "".join(line.replace(first, f'engine="{number}"') for number in range(engines))
        if first in line
        else line
        for line in lines
        if 'engine="1"' not in line
    )


@contextmanager
def process(code: str, *arguments: str) -> Iterator[tuple[int, str]]:
    """Run Python code that prints a line when it is ready; yield its pid and the line."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started.pid, started.stdout.readline().strip()
        started.terminate()


def cpu_share(case: Case, folder: Path, seconds: float) -> float:
    """Record for this many seconds; return the share of one core used."""
    page = folder / "metrics.txt"
    page.write_text(page_of(case.engines))
    with ExitStack() as stack:
        urls = tuple(
            f"http://127.0.0.1:{stack.enter_context(process(SERVE, str(page)))[1]}"
            for _ in range(case.endpoints)
        )
        stack.enter_context(process(IDLE, "-m", "weighbridge.loadgen.loadgen_process", "{}"))
        stack.enter_context(process(IDLE, "-m", "weighbridge.client.worker", '{"number":0}'))
        pids = ()
        if case.processes:
            pids = (stack.enter_context(process(TREE, str(case.processes)))[0],)
        before_s, started_s = time.process_time(), time.monotonic()
        with recording(urls, None, pids, folder / TELEMETRY_FILE, vllm.metric_names) as result:
            time.sleep(seconds)
        share = (time.process_time() - before_s) / (time.monotonic() - started_s)
    assert result.brief is not None
    assert len(result.brief.sources) == 3 + case.endpoints + bool(pids), result.brief.sources
    return share


def main() -> None:
    """Measure all cases, and print shares of a core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    shares: dict[str, list[float]] = {case.name: [] for case in CASES}
    with tempfile.TemporaryDirectory() as name:
        cpu_share(CASES[0], Path(name), 0.1)  # once before: what is imported at the first use
        for turn in range(options.rounds):
            cases = list(CASES)
            random.Random(turn).shuffle(cases)
            for case in cases:
                shares[case.name].append(cpu_share(case, Path(name), options.seconds))
    print("| watched | page, KB | CPU, % of one core: median (smallest-largest) |\n| --- | --- | --- |")
    for case in CASES:
        found = [100 * share for share in shares[case.name]]
        size = f"{len(page_of(case.engines)) / 1e3:.0f}" if case.endpoints else ""
        print(
            f"| {case.name} | {size} | {statistics.median(found):.2f} ({min(found):.2f}-{max(found):.2f}) |"
        )
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "telemetry.json").write_text(json.dumps({"cpu_share": shares}, indent=2) + "\n")


if __name__ == "__main__":
    main()
