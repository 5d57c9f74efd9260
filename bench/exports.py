"""Read a sweep's exports with the official tools: vLLM's plots, and llm-d's report package.

    python bench/exports.py SWEEP --vllm PYTHON

SWEEP is the folder of a finished sweep. PYTHON is that of an environment with vLLM, pandas, seaborn and
matplotlib; `make bench-peers` makes bench/build/vllm. The exit code is 0 if every tool took every file.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

PLOTS = {
    "plot_pareto": ["--gpu-count-var", "num_gpus", "--label-by", "system,level"],
    "plot": ["--var-x", "max_concurrency", "--var-y", "median_ttft_ms", "--curve-by", "system"],
}


def main() -> int:
    """Export, and run each tool."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sweep", type=Path)
    parser.add_argument("--vllm", default="bench/build/vllm/bin/python", metavar="PYTHON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for form in ("vllm", "llm-d"):
            out = str(Path(folder) / form)
            command = ["weighbridge", "export", str(asked.sweep), "--to", form, "--out", out]
            subprocess.run([sys.executable, "-m", *command], check=True)
        codes = {}
        for name, options in PLOTS.items():
            module = f"vllm.benchmarks.sweep.{name}"
            command = [asked.vllm, "-m", module, str(Path(folder) / "vllm"), *options]
            codes[name] = subprocess.run(command, check=False).returncode
        figures = sorted(Path(folder).rglob("*.png"))
        reports = sorted((Path(folder) / "llm-d").rglob("*.yaml"))
        codes["llmd-benchmark-report"] = _validated(reports)
    for name, code in codes.items():
        print(f"{name:24} exit code {code}")
    print(f"{len(figures)} figures, {len(reports)} reports")
    return max(codes.values()) or len(figures) < len(PLOTS)


def _validated(reports: list[Path]) -> int:
    """Return 0 if llm-d's package takes all reports."""
    import yaml
    from llmd_benchmark_report import load_benchmark_report

    for report in reports:
        try:
            load_benchmark_report(yaml.safe_load(report.read_text()))
        except ValueError as error:
            print(f"{report}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
