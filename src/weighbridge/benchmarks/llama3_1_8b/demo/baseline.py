"""Print the scores of finished accuracy runs of the demo beside those of transformers: the round's means.

Run as `.venv/bin/python src/weighbridge/benchmarks/llama3_1_8b/demo/baseline.py GREEDY`: GREEDY is the file
that greedy.py wrote; the runs are those of `make llama-demo`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.loadgen.logs import read_answers

DEMO = Path(__file__).parent
RUNS = {"datacenter": Path("runs/llama-demo"), "edge": Path("runs/llama-demo-edge")}
FLOOR, CEILING = 0.99, 1.1
LOWEST_LENGTH = 0.9


def main(greedy: Path) -> None:
    """Print for each category the metrics of both, how many answers are the same, and the round's bounds."""
    expected = json.loads(greedy.read_text(encoding="utf-8"))
    for category, run in RUNS.items():
        round_ = load_round("llama-demo", category)
        task = load_benchmark(round_.benchmark).task(DEMO / "prompt.json", DEMO / "model")
        truth = task.truth(DEMO / "dataset", round_.splits)
        served = read_answers(run / "results" / "offline" / "accuracy", round_.samples)
        [split] = round_.splits
        of_transformers = [np.array(ids, "<i4").tobytes() for ids in expected[split]]
        same = sum(a == b for a, b in zip(served, of_transformers, strict=True))
        print(f"{category}: {same} of {round_.samples} answers have the same token ids")
        order = range(round_.samples)
        ours, theirs = (
            task.score(truth, task.texts(list(enumerate(answers))), order).metrics
            for answers in (served, of_transformers)
        )
        for name, mean in ours.items():
            length = name == "gen_len"
            floor = mean * (LOWEST_LENGTH if length else FLOOR)
            ceiling = f", ceiling: {mean * CEILING:.1f}" if length else ", largest: 100"
            print(f"  {name}: {{floor: {floor:.6g}{ceiling}, reference_mean: {mean:.8g}}}", end="")
            print(f"   # transformers: {theirs[name]:.8g}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
