"""The gate scores the accuracy log again: another run's score, and an edited one, fail."""

import json
from pathlib import Path

import pytest
from judged_pair import DEMONSTRATION, HELD, Pair
from loadgen_files import evaluation_of
from request_files import PROMPT, f1_of, with_products

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.evaluation.evaluate import evaluate
from weighbridge.gates import Inputs, judge_logs
from weighbridge.records.score import Evaluation
from weighbridge.records.verdict import Check


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def _edited(pair: Pair, **changes: object) -> Evaluation:
    assert pair.evaluation is not None
    return pair.evaluation.model_copy(update=changes)


def _check(pair: Pair, name: str) -> Check:
    return next(check for check in pair.judged().checks if check.name == name)


def test_the_score_of_evaluate_is_that_of_the_gate(pair: Pair, tmp_path: Path) -> None:
    pair.judged()  # writes the dataset
    pair.evaluation = evaluate(
        logs=pair.folder(Mode.ACCURACY),
        dataset=tmp_path / "products",
        prompt=PROMPT,
        round_=HELD,
        output=tmp_path,
    )
    assert pair.evaluation.value == f1_of(HELD.samples)
    assert pair.found() == (set(), set())
    pair.evaluation = Evaluation.read(tmp_path / "accuracy.json")
    assert _check(pair, "score computed again").value == "f1 0.79"


@pytest.mark.parametrize("round_", [HELD, DEMONSTRATION], ids=["held", "demonstration"])
def test_the_score_of_another_run_is_found_by_its_log(tmp_path: Path, round_: object) -> None:
    pair = Pair(tmp_path, HELD if round_ is HELD else DEMONSTRATION)
    pair.evaluation = _edited(pair, log_sha256="0" * 64)
    pair.scored = round_ is HELD  # the hash needs no dataset
    assert pair.found()[0] == {"score of this log"}


@pytest.mark.parametrize("value", [0.7900001, 0.99, 2.0])
def test_an_edited_score_is_found(pair: Pair, value: float) -> None:
    assert pair.evaluation is not None
    score = pair.evaluation.score.model_copy(update={"metrics": {"f1": value}})
    pair.evaluation = _edited(pair, value=value, score=score)
    failed, _ = pair.found()
    assert "score computed again" in failed
    assert f"{value:.12g}" in str(_check(pair, "score computed again").value)
    pair.evaluation = _edited(pair, score=evaluation_of(HELD, _log(pair)).score)
    assert pair.found()[0] == {"score computed again"}  # the value alone, which nothing else compares


def _log(pair: Pair) -> Path:
    return pair.folder(Mode.ACCURACY) / "mlperf_log_accuracy.json"


def test_hidden_unreadable_answers_are_found(pair: Pair) -> None:
    assert pair.evaluation is not None
    pair.evaluation = _edited(pair, empty=0, score=pair.evaluation.score.model_copy(update={"unparsable": 0}))
    assert _check(pair, "score computed again").value == "unparsable 0, not 3; empty 0, not 1"


@pytest.mark.parametrize("number", ["Infinity", "NaN", "-Infinity", "1e999"])
@pytest.mark.parametrize("key", ["value", "f1"])
def test_a_score_that_is_no_number_is_one_sentence(pair: Pair, tmp_path: Path, number: str, key: str) -> None:
    assert pair.evaluation is not None
    path = tmp_path / "accuracy.json"
    text = pair.evaluation.model_dump_json()
    path.write_text(text.replace(f'"{key}":0.79', f'"{key}":{number}'))
    assert number in path.read_text()
    with pytest.raises(InputError, match=r"accuracy\.json: "):
        Evaluation.read(path)


def test_without_the_dataset_the_score_is_unknown_where_rules_hold(tmp_path: Path) -> None:
    for number, round_ in enumerate((HELD, DEMONSTRATION)):
        pair = Pair(tmp_path / str(number), round_)
        pair.scored = False
        unknown = {"score computed again", "sampled answers' score"} if round_ is HELD else set()
        assert pair.found() == (set(), unknown)


def test_another_dataset_is_unknown_and_its_remedy_says_why(pair: Pair) -> None:
    pair.judged()
    (pair.root / "products" / "test.parquet").unlink()
    verdict = pair.judged()
    assert verdict.failed == ()
    assert "no Parquet file of the split 'test'" in (verdict.unknown[0].remedy or "")


def test_logs_that_are_found_are_scored_again_too(pair: Pair, tmp_path: Path) -> None:
    pair.judged()
    assert pair.evaluation is not None
    inputs = with_products(Inputs(), tmp_path / "products", HELD.samples)
    text = pair.evaluation.model_dump_json()
    for said, outcome in ((text, "VALID"), (text.replace('"value":0.79', '"value":0.8'), "INVALID")):
        (pair.folder(Mode.ACCURACY).parent / "accuracy.json").write_text(said)
        [verdict] = judge_logs(tmp_path / "results", HELD, inputs).verdicts
        assert verdict.outcome == outcome


def test_an_incomplete_accuracy_log_is_a_failed_check(pair: Pair) -> None:
    entries = json.loads(_log(pair).read_text())
    _log(pair).write_text(json.dumps(entries[:-1]))
    failed, _ = pair.found()
    assert {"answers counted by LoadGen", "score computed again", "sampled answers' score"} <= failed
