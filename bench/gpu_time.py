"""Measure what share of a server's time is not spent in measured runs, with and without kept servers.

The whole workflow, from the store to the verdicts, on a simulated server that needs `--start-s` to answer.
Its hours stand for GPU hours. Each way has a run directory of its own; both run at the same time, because the
simulated server is idle most of it.

    python bench/gpu_time.py                                  # start of 120 s, four runs of 600 s: 48 minutes
    python bench/gpu_time.py --start-s 60 --run-s 300         # half of it
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from weighbridge.core.files import write_atomic
from weighbridge.report.spent_time import Spending, SpentTime, spent_time

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
WAYS = {"server.keep: false": False, "server.keep: true": True}
# So many at once, each for so long: 4 answers a second.
SERVERS, SERVICE_S = 8, 2.0
OFFLINE_QPS, SERVER_QPS = SERVERS / SERVICE_S, 0.9 * SERVERS / SERVICE_S
# LoadGen makes a tenth more work than the duration asks for; it must fit into one pass.
DURATION_SHARE = 0.85


def settings(folder: Path, start_s: float, run_s: float, *, keep: bool) -> Path:
    """Write the round and the settings of one way; return the file to lay over the rehearsal's."""
    samples = round(OFFLINE_QPS * run_s)
    rules = {"min_duration_s": DURATION_SHARE * run_s, "min_query_count": samples}
    round_file, changes = folder / "round.yaml", folder / "changes.yaml"
    round_ = {"extends": "rehearsal", "name": "gpu-time", "samples": samples}
    round_file.write_text(yaml.safe_dump(round_ | {"scenarios": {"offline": rules, "server": dict(rules)}}))
    behaviour = {"servers": SERVERS, "mean_s": SERVICE_S, "right": 0.75, "start_s": start_s}
    changes.write_text(
        yaml.safe_dump(
            {
                "round": str(round_file),
                "artifacts": {"dataset": {"synthetic": samples}},
                "server": {
                    "args": [f"--round={round_file}", f"--behaviour={json.dumps(behaviour)}"],
                    "warmup_requests": SERVERS,
                    "keep": keep,
                },
                "scenarios": {"offline": {"target_qps": OFFLINE_QPS}, "server": {"target_qps": SERVER_QPS}},
            }
        )
    )
    return changes


def measure(folder: Path, start_s: float, run_s: float, *, keep: bool) -> SpentTime:
    """Run the workflow in a folder; return where the time of its servers went."""
    folder.mkdir()
    changes = settings(folder, start_s, run_s, keep=keep)
    command = [BIN / "snakemake", "verdicts", "--snakefile", ROOT / "Snakefile", "--cores", "2"]
    command += ["--directory", folder / "run", "--configfile", ROOT / "rehearsal" / "config.yaml", changes]
    with (folder / "snakemake.log").open("wb") as log:
        subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")},
            stdout=log,
            stderr=log,
            check=True,
        )
    verdicts = [json.loads(path.read_text()) for path in folder.glob("run/results/*/verdict.json")]
    outcomes = [verdict["outcome"] for verdict in verdicts]
    if outcomes != ["VALID", "VALID"]:
        raise SystemExit(
            f"{folder}: verdicts {outcomes}, so the times are not those of a result; see its logs."
        )
    return spent_time(folder / "run" / "results")


def table(found: dict[str, SpentTime]) -> str:
    """Return the times as a Markdown table: seconds by kind, and the share outside measured runs."""
    head = ["", "starts", *map(str, Spending), "in all", "outside measured runs"]
    rows = [head, ["---"] * len(head)]
    for way, spent in found.items():
        seconds = [f"{3600 * spent.hours(part):.0f} s" for part in Spending]
        share = f"{100 * (spent.outside_share or 0):.1f} %"
        rows.append([way, str(len(spent.lives)), *seconds, f"{3600 * spent.hours():.0f} s", share])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Measure both ways and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start-s", type=float, default=120, help="start of the server, in s")
    parser.add_argument("--run-s", type=float, default=600, help="length of an Offline run, in s")
    parser.add_argument("--folder", type=Path, help="keep the run directories here; default: delete them")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "gpu_time.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpu-time-") as temporary, ThreadPoolExecutor() as pool:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        started = {
            way: pool.submit(
                measure, folder / f"keep-{keep}".lower(), options.start_s, options.run_s, keep=keep
            )
            for way, keep in WAYS.items()
        }
        found = {way: future.result() for way, future in started.items()}
    said = {way: spent.model_dump(mode="json") for way, spent in found.items()}
    content = {"start_s": options.start_s, "run_s": options.run_s, "ways": said}
    write_atomic(options.output, json.dumps(content, indent=1) + "\n")
    print(f"Start of {options.start_s:g} s, runs of about {options.run_s:g} s:\n\n{table(found)}")


if __name__ == "__main__":
    main()
