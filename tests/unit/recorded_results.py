"""Finished results on disk: verdicts with their runs, a compared sweep, a scored measurement of quality."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadgen_files import small_round, write_results
from quality_files import MADE_UP, write_quality
from sweep_cells import SyntheticSweep, sweep_settings

from weighbridge.config.scenario_rules import Mode
from weighbridge.quality.write_scores import write_scores
from weighbridge.records.comparison import COMPARISON
from weighbridge.records.quality_scores import OVERALL
from weighbridge.sweep.compare_blocks import compare_cells
from weighbridge.sweep.sweep_folder import SweepFolder

Change = Callable[[dict[str, Any]], object]


def write_verdicts(run: Path) -> Path:
    """Write the results of a run directory: two scenarios with their runs and verdicts; return results/."""
    write_results(run / "results", small_round())
    return run / "results"


def change_json(file: Path, change: Change) -> None:
    """Change a JSON file in place."""
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def measure_again(
    results: Path, scenario: str, *, speed: float = 1, score: float = 1, args: str = ""
) -> Path:
    """Make a scenario's results those of another measurement: so much faster, with this argument.

    Returns:
        Its verdict.json.
    """
    folder = results / scenario

    def other_run(record: dict[str, Any]) -> None:
        record["load"]["sent_bytes"] += int(1000 * speed)
        if args:
            record["server"]["command"].append(args)

    def other_figures(verdict: dict[str, Any]) -> None:
        verdict["rate"] *= speed
        verdict["accuracy"] *= score
        verdict["metrics"] = {name: value * score for name, value in verdict["metrics"].items()}
        for name in ("p50_latency_s", "p90_latency_s", "p99_latency_s"):
            verdict[name] = verdict[name] and verdict[name] / speed

    for mode in Mode:
        change_json(folder / mode / "run.json", other_run)
    change_json(folder / "verdict.json", other_figures)
    return folder / "verdict.json"


def write_sweep(run: Path, speed: float = 1.1, **settings: Any) -> Path:
    """Write a compared sweep of systems A and B; return its comparison.json."""
    sweep = SyntheticSweep(sweep_settings(2, **settings), {"B": speed})
    folder = SweepFolder(run / "results" / "sweeps" / "demo-sweep")
    folder.path.mkdir(parents=True)
    folder.write_settings(sweep.settings)
    folder.write_plan(sweep.plan)
    comparison = compare_cells(sweep.settings, sweep.plan, sweep.cells())
    (folder.path / COMPARISON).write_text(comparison.model_dump_json())
    return folder.path / COMPARISON


def write_scored(run: Path, rate: float = 0.5, **measured: Any) -> Path:
    """Write a scored measurement of quality; return its overall.json."""
    folder = run / "results" / "quality" / "mmlu"
    folder.mkdir(parents=True)
    write_quality(folder, dict.fromkeys(MADE_UP, rate), **measured)
    write_scores(folder, None)
    return folder / OVERALL
