"""Judging answers that are token ids: the model's tokenizer reads them, or the score is unknown."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from request_files import request_log
from test_token_answers import END, model_in

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.request_log import write_parquet
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.evaluation.error_analysis import analyse_errors
from weighbridge.evaluation.evaluate import evaluate
from weighbridge.gates import Inputs
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.score_checks import ScoredAnswers, Truth, sampled_checks, score_checks, truth_of
from weighbridge.records.score import Evaluation

SAMPLES = 120
ROUND = load_round("llama3.1-8b/v6.0@edge").model_copy(update={"samples": SAMPLES})
ARTICLES = [f"The mayor of town {number} opened a bridge. " * (2 + number % 5) for number in range(SAMPLES)]
SUMMARIES = [f"Mayor of town {number} opens bridge .\nIt is new ." for number in range(SAMPLES)]


def _ids(text: str) -> list[int]:
    """Return the ids of a text under the tokenizer of `model_in`, whose ids are those of sorted bytes."""
    return [*(_ALPHABET[byte] for byte in text.encode()), END]


def _byte_order() -> list[int]:
    """Return the id of each byte: byte-level tokenizers write blanks and controls as letters beyond ASCII."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {byte: chr(256 + at) for at, byte in enumerate(set(range(256)) - set(printable))}
    order = sorted(letters.values())
    return [order.index(letters[byte]) for byte in range(256)]


_ALPHABET = _byte_order()


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Return proofs of a dataset and a model, beside an accuracy log in `accuracy`, in reverse order."""
    model = model_in(tmp_path / "model", {"clean_up_tokenization_spaces": True})
    rows = [
        {"input": article, "tok_input": [256, 1, 2], "output": summary}
        for article, summary in zip(ARTICLES, SUMMARIES, strict=True)
    ]
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "sample_cnn_eval_5000.json").write_text(json.dumps(rows))
    entries = [
        {"seq_id": 0, "qsl_idx": at, "data": np.array(_ids(SUMMARIES[at]), dtype="<i4").tobytes().hex()}
        for at in reversed(range(SAMPLES))
    ]
    (tmp_path / "accuracy").mkdir()
    (tmp_path / "accuracy" / "mlperf_log_accuracy.json").write_text(json.dumps(entries))

    def proof(kind: ArtifactKind, folder: Path) -> Proof:
        return Proof(kind=kind, folder=folder, repo=None, revision=None, manifest_digest="0" * 64, files=())

    return Inputs(
        model=proof(ArtifactKind.MODEL, model), dataset=proof(ArtifactKind.DATASET, tmp_path / "dataset")
    )


def _scored(tmp_path: Path) -> Evaluation:
    return evaluate(
        logs=tmp_path / "accuracy",
        dataset=tmp_path / "dataset",
        prompt=None,
        model=tmp_path / "model",
        round_=ROUND,
        output=tmp_path,
    )


def test_answers_are_scored_shown_and_scored_again(inputs: Inputs, tmp_path: Path) -> None:
    evaluation = _scored(tmp_path)
    # The clean-up takes the blank before a full stop from the answers, and not from the references.
    characters = sum(len(text.replace(" .", ".")) for text in SUMMARIES)
    assert evaluation.score.metrics["rouge1"] == 100
    assert evaluation.score.metrics["gen_len"] == characters
    line = (tmp_path / "accuracy.txt").read_text().splitlines()[-1]
    assert line.endswith(f"'rougeLsum': '100.0', 'gen_len': {characters}, 'gen_num': {SAMPLES}}}")
    shown = json.loads((tmp_path / "accuracy.json").read_text())["metrics"]["rouge1"]
    assert (shown["printed"], shown["baseline"], shown["threshold"]) == ("100.0", 39.06, 38.6694)
    truth = truth_of(inputs, ROUND)
    assert isinstance(truth, Truth)
    assert all(check.passed for check in score_checks(tmp_path / "accuracy", evaluation, truth, ROUND))


def test_the_worst_summaries_stand_beside_their_articles(inputs: Inputs, tmp_path: Path) -> None:
    log = tmp_path / "accuracy" / "mlperf_log_accuracy.json"
    entries = json.loads(log.read_text())
    entries[0]["data"] = np.array(_ids("Nothing at all"), dtype="<i4").tobytes().hex()
    log.write_text(json.dumps(entries))
    analysis = analyse_errors(
        logs=log.parent, dataset=tmp_path / "dataset", prompt=None, model=tmp_path / "model", round_=ROUND
    )
    [group] = analysis.groups
    [worst] = group.examples
    assert worst.sample == SAMPLES - 1
    assert (worst.value, worst.answer, worst.text) == (0, "Nothing at all", ARTICLES[-1].strip())
    assert group.lost == pytest.approx(100 / SAMPLES)
    assert analysis.levels[-1].name == "gen_len"
    assert analysis.levels[-1].low < analysis.levels[-1].value < analysis.levels[-1].high


@pytest.mark.parametrize("missing", ["proof", "folder", "tokenizer"])
def test_without_the_tokenizer_the_score_is_unknown(inputs: Inputs, tmp_path: Path, missing: str) -> None:
    evaluation = _scored(tmp_path)
    if missing == "proof":
        inputs = Inputs(dataset=inputs.dataset)
    elif missing == "folder":
        (tmp_path / "model").rename(tmp_path / "elsewhere")
    else:
        (tmp_path / "model" / "tokenizer.json").unlink()
    truth = truth_of(inputs, ROUND)
    assert isinstance(truth, str)
    checks = {check.name: check for check in score_checks(tmp_path / "accuracy", evaluation, truth, ROUND)}
    assert checks["score of this log"].passed
    assert checks["score computed again"].passed is None
    assert checks["score computed again"].remedy == truth


@pytest.mark.parametrize(
    ("of", "failed"),
    [
        (_ids, set()),
        (lambda _: _ids("It is new ."), {"sampled answers' score"}),
        (lambda text: _ids(text)[:-1], {"sampled answers as received"}),
        (lambda text: [9999] * len(_ids(text)), {"sampled answers' score"}),
    ],
    ids=["good", "worse", "of another run", "of another model"],
)
def test_sampled_token_ids_are_compared_as_texts_are(
    inputs: Inputs, tmp_path: Path, of: Callable[[str], list[int]], failed: set[str]
) -> None:
    performance = tmp_path / "performance"
    performance.mkdir()
    lines = [json.dumps({"sample": at, "tokens": of(text)}) for at, text in enumerate(SUMMARIES)]
    (performance / "sampled_answers.jsonl").write_text("\n".join(lines) + "\n")
    log = request_log(SAMPLES, Mode.ACCURACY)
    received = [of(text) if failed != {"sampled answers as received"} else _ids(text) for text in SUMMARIES]
    log["payload_bytes"] = [4 * len(ids) for ids in received]
    write_parquet(log, performance / "requests.parquet")
    rows, scored = RequestRows.read(performance), ScoredAnswers(tmp_path / "accuracy", None, inputs, ROUND)
    assert rows is not None
    checks = sampled_checks(performance, rows, scored)
    assert {check.name for check in checks if not check.passed} == failed


def test_an_answer_of_another_model_names_log_and_sample(inputs: Inputs, tmp_path: Path) -> None:
    log = tmp_path / "accuracy" / "mlperf_log_accuracy.json"
    log.write_text(log.read_text().replace('"qsl_idx": 7, "data": "', f'"qsl_idx": 7, "data": "{"FF" * 4}'))
    with pytest.raises(InputError, match=rf"^{log}: the answer to sample 7 has the token id -1"):
        _scored(tmp_path)
