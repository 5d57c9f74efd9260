"""Measure the load client beside the ways others send the same requests: all parts, in one result.

    python bench/client.py [--rounds 3] [--quick] [--only-ours] [--parts offline,server,...]
                           [--source NAME=CHECKOUT ...] [--reference DIR] [--endpoints PYTHON] ...

Each part is a program too: offline.py, server.py, streams.py, in_flight.py, oracle.py. The result is a file
of its own, bench/results/client-DATE.json, so that the older ones show the trend; `python bench/tables.py`
writes the tables of docs/performance.md from the newest.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import in_flight
import offline
import oracle
import server
import streams
from options import bench_of, parser, show
from ours import ROOT
from peers import Bench
from programs import version_of

PARTS = {part.__name__: part for part in (offline, server, streams, in_flight, oracle)}
RESULTS = Path(__file__).parent / "results"


def _commit(checkout: Path, folder: str = "src") -> str:
    """Return the checkout's commit, marked if the files of the folder that runs differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(checkout), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{commit}-dirty" if git("status", "--porcelain", "--", folder) else commit


def _machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown",
    )
    policy = os.sched_getscheduler(0)
    return {
        "processor": model,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "loadgen": version_of(sys.executable, "mlcommons-loadgen"),
        "realtime": policy in (os.SCHED_FIFO, os.SCHED_RR),
    }


def _versions(bench: Bench) -> dict[str, str | None]:
    found = {
        "aiohttp": version_of(bench.python, "aiohttp"),
        "openai": version_of(bench.python, "openai"),
        "vllm": version_of(bench.vllm, "vllm"),
    }
    if bench.endpoints:
        found["inference-endpoint"] = version_of(bench.endpoints, "inference-endpoint")
    if bench.reference:
        found["mlcommons/inference"] = _commit(bench.reference, "multimodal/qwen3-vl")
    return found


def main() -> None:
    """Measure, print, and write the result after each part."""
    options_ = parser(__doc__)
    options_.add_argument("--parts", default=",".join(PARTS), help=f"Default: {','.join(PARTS)}")
    given = options_.parse_args()
    chosen = given.parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        options_.error(f"--parts: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    bench, started = bench_of(given), datetime.now(UTC)
    result: dict[str, Any] = {
        "started": started.isoformat(timespec="seconds"),
        "quick": bench.quick,
        "rounds": bench.rounds,
        "machine": _machine(),
        "sources": {name: _commit(source) for name, source in bench.sources.items()},
        "versions": {} if bench.only_ours else _versions(bench),
        "load_before": os.getloadavg(),
        "results": {},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"client-{started:%Y-%m-%dT%H%M}.json"
    for name in chosen:
        for title, compared in PARTS[name].compare(bench).items():
            show(title, compared)
            result["results"][title] = asdict(compared) | {"summary": compared.summary()}
            del result["results"][title]["runs"]
        result |= {"ended": datetime.now(UTC).isoformat(timespec="seconds"), "load_after": os.getloadavg()}
        path.write_text(json.dumps(_rounded(result), indent=1) + "\n")
    print(f"\n{path.relative_to(ROOT)} is written; python bench/tables.py makes the page's tables of it.")


def _rounded(value: Any) -> Any:
    """Return the same with five significant digits, of which none is sure."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(found) for key, found in value.items()}
    return [_rounded(found) for found in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    main()
