"""Measure the report of a full-size run: four runs of 48,289 requests and 20 minutes of telemetry.

    python bench/report.py [--results runs/rehearsal/results] [--keep FOLDER]

Copies the results of `make rehearsal`, adds synthetic telemetry of eight GPUs and two servers and a synthetic
peak search, and writes the report with increasing content. Prints a table: seconds, largest memory so far,
size of the page.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weighbridge.records.search_record import Peak, Probe

ROOT = Path(__file__).parent.parent
TELEMETRY_S = 1200
GPUS, SERVERS, WORKERS = 8, 2, 4


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "runs" / "rehearsal" / "results")
    parser.add_argument("--keep", type=Path, help="Folder to leave results and reports in.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        results = full_size(arguments.results, folder / "results")
        resources = arguments.results.parent / "resources"
        scored = ["--dataset", resources / "dataset.json", "--prompt", ROOT / "rehearsal" / "prompt.json"]
        print(f"{'report of a full-size run':44} {'seconds':>8} {'peak MB':>8} {'HTML MB':>8}")
        for name, options in (
            ("page alone", []),
            ("with scores by level and examples", scored),
            ("and with every figure as PNG", [*scored, "--figures", folder / "figures"]),
        ):
            page = folder / "report.html"
            seconds, peak_mb = measured("--results", results, "--output", page, *options)
            print(f"{name:44} {seconds:8.1f} {peak_mb:8.0f} {page.stat().st_size / 1e6:8.2f}")


def measured(*options: object) -> tuple[float, float]:
    """Run the command; return its wall time in s and the largest memory peak of any command so far in MB."""
    command = [sys.executable, "-m", "weighbridge", "report", *map(str, options)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6


def full_size(source: Path, results: Path) -> Path:
    """Copy the runs without copies of their large logs, and add telemetry and a peak search."""
    for scenario in ("offline", "server"):
        shutil.copytree(source / scenario, results / scenario, dirs_exist_ok=True)
        for mode in ("performance", "accuracy"):
            write_telemetry(results / scenario / mode)
    (results / "server" / "peak.json").write_text(made_up_peak().model_dump_json())
    return results


def write_telemetry(run: Path) -> None:
    """Write 20 minutes of synthetic samples, one per second."""
    planned_ns = pq.read_table(run / "requests.parquet", columns=["planned_ns"])["planned_ns"]
    start_ns = int(planned_ns.to_numpy().min())
    chance = np.random.default_rng(1)
    times = start_ns + np.arange(-20, TELEMETRY_S) * 1_000_000_000
    steps = len(times)

    def around(mean: float, spread: float) -> np.ndarray:
        return np.clip(mean * (1 + spread * chance.standard_normal(steps)), 0, None)

    curves = {("host", "cpu_cores"): around(24, 0.1), ("process loadgen", "cpu_cores"): around(0.4, 0.1)}
    curves |= {(f"process worker {each}", "cpu_cores"): around(0.5, 0.2) for each in range(WORKERS)}
    curves["process server", "cpu_cores"] = around(18, 0.1)
    for each in range(SERVERS):
        name = f"server {each}"
        curves[name, "requests_running"] = np.round(around(220, 0.1))
        curves[name, "requests_waiting"] = np.round(around(12, 0.8))
        curves[name, "kv_cache_usage"] = np.clip(around(0.62, 0.1), 0, 1)
        curves[name, "preemptions"] = np.cumsum(chance.random(steps) < 0.01).astype(float)
        curves[name, "prompt_tokens"] = np.cumsum(around(9000, 0.2))
        curves[name, "generation_tokens"] = np.cumsum(around(1100, 0.15))
        curves[name, "prefix_cache_hits"] = np.zeros(steps)
    for each in range(GPUS):
        name = f"gpu {each}"
        curves[name, "utilisation"] = np.clip(around(0.94 - 0.01 * each, 0.04), 0, 1)
        curves[name, "power_w"] = around(610 + 5 * each, 0.05)
        curves[name, "memory_used_bytes"] = around(1.29e11 + 1e9 * each, 0)
        curves[name, "temperature_c"] = around(66, 0.02)
    names = list(curves)
    table = pa.table(
        {
            "time_ns": np.tile(times, len(names)),
            "source": pa.array(np.repeat([source for source, _ in names], steps)).dictionary_encode(),
            "metric": pa.array(np.repeat([metric for _, metric in names], steps)).dictionary_encode(),
            "value": np.concatenate([curves[name] for name in names]),
        }
    )
    pq.write_table(table, run / "telemetry.parquet")


def made_up_peak() -> Peak:
    """Return a synthetic search with five probes and two full-length runs."""
    p99_s = {63.1: 4.9, 78.9: 31.0, 70.6: 7.2, 74.6: 13.9, 72.6: 10.8, 72.5: 12.6, 71.2: 9.4}
    probes = [
        Probe(
            number=number,
            kind="probe" if number < 6 else "confirmation",
            target_qps=rate,
            full_length=number >= 6,
            passed=p99 <= 12,
            reason="late queries are few enough" if p99 <= 12 else "too many queries were late",
            duration_s=300 if number < 6 else 700,
            queries=int(300 * rate),
            judged=int(240 * rate),
            over_latency=12 if p99 <= 12 else 940,
            over_latency_allowed=160,
            failed=0,
            achieved_qps=rate * 0.995,
            p50_latency_s=p99 / 3,
            p99_latency_s=p99,
            growth=None if p99 <= 12 else 0.04,
            cut_off=p99 > 20,
            started="2026-11-22T05:05:51+00:00",
            folder=f"results/server/peak/{number}",
        )
        for number, (rate, p99) in enumerate(p99_s.items(), start=1)
    ]
    return Peak(
        round="rehearsal",
        submittable=False,
        peak_qps=71.2,
        confirmed_by="results/server/peak/7",
        lowest_failed_qps=72.5,
        offline_qps=78.9,
        tolerance=0.02,
        target_latency_s=12,
        probes=tuple(probes),
    )


if __name__ == "__main__":
    main()
