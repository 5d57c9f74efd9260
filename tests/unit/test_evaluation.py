"""Scoring an accuracy log: accuracy.txt and accuracy.json."""

import hashlib
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loadgen_files import small_round

from weighbridge.config.metric_rules import MetricRules
from weighbridge.core.errors import InputError
from weighbridge.evaluation.evaluate import evaluate
from weighbridge.records.score import Evaluation

ROUND = small_round(samples=4, splits=("train",))
# The official checker's pattern for this metric, in our own words: at the line's start, with double quotes.
CHECKER_METRIC = re.compile(r'^\{.*"f1":\s*([0-9.]+).*\}')
ANSWERS = [
    {"category": "A > B", "brand": "acme", "is_secondhand": False},
    {"category": "A > X", "brand": "acme", "is_secondhand": True},
    {"category": "C", "brand": "other", "is_secondhand": False},
]


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    dataset, logs = tmp_path / "dataset", tmp_path / "accuracy"
    dataset.mkdir()
    logs.mkdir()
    table = {
        "potential_product_categories": [["A > B", "C"]] * 4,
        "ground_truth_category": ["A > B"] * 4,
        "ground_truth_brand": ["Acme"] * 4,
        "ground_truth_is_secondhand": [True, True, False, False],
    }
    pq.write_table(pa.table(table), dataset / "train.parquet")
    prompt = tmp_path / "prompt.json"
    prompt.write_text(json.dumps({"system": "s", "user": "@TITLE@ @DESC@ @CATS@"}))
    _write_answers(logs, [json.dumps(answer) for answer in ANSWERS] + [" "])
    return {"logs": logs, "dataset": dataset, "prompt": prompt, "output": tmp_path / "out"}


def _write_answers(logs: Path, answers: list[str]) -> None:
    records = [
        {"seq_id": 0, "qsl_idx": index, "data": text.encode().hex()} for index, text in enumerate(answers)
    ]
    (logs / "mlperf_log_accuracy.json").write_text(json.dumps(records))


def test_accuracy_txt_is_for_the_checker_and_accuracy_json_complete(inputs: dict[str, Path]) -> None:
    evaluation = evaluate(**inputs, round_=ROUND)
    # Matched levels 2 + 1 + 0 + 0, predicted 2 + 2 + 1 + 2, true 8.
    precision, recall = 3 / 7, 3 / 8
    assert evaluation.value == 2 * (precision * recall) / (precision + recall)
    assert (evaluation.empty, evaluation.score.unparsable) == (1, 1)
    assert evaluation.score.metrics["brand"] == 0.5

    lines = (inputs["output"] / "accuracy.txt").read_text().splitlines()
    assert [float(found[1]) for line in lines if (found := CHECKER_METRIC.match(line))] == [evaluation.value]
    assert not any(line.startswith("hash=") for line in lines)
    assert Evaluation.read(inputs["output"] / "accuracy.json") == evaluation
    log = (inputs["logs"] / "mlperf_log_accuracy.json").read_bytes()
    assert evaluation.log_sha256 == hashlib.sha256(log).hexdigest()


def test_accuracy_txt_of_a_demonstration_is_marked(inputs: dict[str, Path]) -> None:
    evaluate(**inputs, round_=ROUND)
    assert "DEMONSTRATION, NOT SUBMITTABLE: " in (inputs["output"] / "accuracy.txt").read_text()
    evaluate(**inputs, round_=ROUND.model_copy(update={"submittable": True}))
    assert "Demonstration" not in (inputs["output"] / "accuracy.txt").read_text()


def test_scoring_twice_writes_the_same_bytes(inputs: dict[str, Path]) -> None:
    written = []
    for _ in range(2):
        evaluate(**inputs, round_=ROUND)
        written.append([path.read_bytes() for path in sorted(inputs["output"].iterdir())])
    assert written[0] == written[1]


def test_nothing_is_written_if_scoring_is_refused(inputs: dict[str, Path]) -> None:
    _write_answers(inputs["logs"], ["{}"] * 3)
    with pytest.raises(InputError, match="1 of 4 samples have no answer"):
        evaluate(**inputs, round_=ROUND)
    _write_answers(inputs["logs"], ["{}"] * 5)
    with pytest.raises(InputError, match="has 4 samples, but round small has 5"):
        evaluate(**inputs, round_=ROUND.model_copy(update={"samples": 5}))
    assert not inputs["output"].exists()


def test_a_round_that_gates_an_unknown_metric_is_refused(inputs: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="qwen3-vl-235b-a22b does not compute 'rouge1'; it has: f1"):
        evaluate(**inputs, round_=ROUND.model_copy(update={"metrics": {"rouge1": MetricRules(floor=1)}}))


def test_an_answer_that_is_no_text_names_log_and_sample(inputs: dict[str, Path]) -> None:
    log = inputs["logs"] / "mlperf_log_accuracy.json"
    entries = json.loads(log.read_text())
    entries[0]["data"] = "FF"
    log.write_text(json.dumps(entries))
    with pytest.raises(
        InputError, match=rf"^{log}: the answer to sample {entries[0]['qsl_idx']} is not UTF-8"
    ):
        evaluate(**inputs, round_=ROUND)
