"""Print the scores of finished accuracy runs of the demo beside those of transformers: the round's means.

Run as `.venv/bin/python src/weighbridge/benchmarks/llama3_1_8b/demo/baseline.py GREEDY`: GREEDY is the file
that greedy.py wrote; the runs are those of `make llama-demo`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from pandas import DataFrame

from weighbridge.benchmarks.protocol import Task
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.loadgen.logs import read_answers

DEMO = Path(__file__).parent
RUNS = {"datacenter": Path("runs/llama-demo"), "edge": Path("runs/llama-demo-edge")}
FLOOR, CEILING = 0.99, 1.1
LOWEST_LENGTH = 0.9


def scores(task: Task, truth: DataFrame, answers: dict[int, bytes]) -> dict[str, float]:
    """Return the metrics of answers, by sample in the order of the log."""
    texts = dict(zip(answers, task.texts(list(answers.items())), strict=True))
    return task.score(truth, [texts[sample] for sample in sorted(texts)], list(answers)).metrics


def main(greedy: Path) -> None:
    """Print for each category the metrics of both, how many answers are the same, and the round's bounds."""
    expected = json.loads(greedy.read_text(encoding="utf-8"))
    for category, run in RUNS.items():
        round_ = load_round("llama-demo", category)
        task = load_benchmark(round_.benchmark).task(DEMO / "prompt.json", DEMO / "model")
        truth = task.truth(DEMO / "dataset", round_.splits)
        log = run / "results" / "offline" / "accuracy" / "mlperf_log_accuracy.json"
        served = read_answers(log, round_.samples)
        [split] = round_.splits
        ids = [np.array(answer, "<i4").tobytes() for answer in expected[split]]
        of_transformers = {sample: ids[sample] for sample in served}
        same = sum(served[sample] == of_transformers[sample] for sample in served)
        print(f"{category}: {same} of {round_.samples} answers have the same token ids")
        ours, theirs = (scores(task, truth, answers) for answers in (served, of_transformers))
        for name, mean in ours.items():
            length = name == "gen_len"
            floor = mean * (LOWEST_LENGTH if length else FLOOR)
            ceiling = f", ceiling: {mean * CEILING:.1f}" if length else ", largest: 100"
            print(f"  {name}: {{floor: {floor:.6g}{ceiling}, reference_mean: {mean:.8g}}}", end="")
            print(f"   # transformers: {theirs[name]:.8g}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
