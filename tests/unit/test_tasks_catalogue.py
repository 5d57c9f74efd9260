"""The product catalogue: prompt, dataset columns, parsing and score."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame
from rapidfuzz import fuzz

from weighbridge.errors import InputError
from weighbridge.prompt import Prompt
from weighbridge.tasks import load_task
from weighbridge.tasks.catalogue import ProductCatalogue, binary_f1, brand_score
from weighbridge.tasks.parquet import split_files

PRODUCT = {
    "product_title": "Mug",
    "product_description": "Holds tea",
    "potential_product_categories": ["A > B"],
}
TASK = ProductCatalogue(Prompt(system="Classify.", user="@TITLE@|@DESC@|@CATS@"))


def _answer(category: str, brand: str, is_secondhand: object) -> str:
    return json.dumps({"category": category, "brand": brand, "is_secondhand": is_secondhand})


def _truth(*rows: tuple[str, str, bool]) -> DataFrame:
    frame = DataFrame(rows, columns=["category", "brand", "is_secondhand"])
    frame["candidates"] = [["A > B", "C"]] * len(rows)
    return frame


def test_messages_have_the_text_before_the_picture() -> None:
    system, user = TASK.messages(PRODUCT, "data:image/PNG;base64,AAAA")
    assert system == {"role": "system", "content": "Classify."}
    assert user["content"] == [
        {"type": "text", "text": "Mug|Holds tea|['A > B']"},
        {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AAAA"}},
    ]


def test_placeholders_within_a_product_stay_as_they_are() -> None:
    row = PRODUCT | {"product_title": r"@DESC@ \1 @CATS@"}
    assert TASK.messages(row, None)[1]["content"][0]["text"] == r"@DESC@ \1 @CATS@|Holds tea|['A > B']"


def test_candidates_are_printed_as_python_prints_a_list() -> None:
    row = PRODUCT | {"potential_product_categories": np.array(["Men's", 'He said "hi"'], dtype=object)}
    text = TASK.messages(row, None)[1]["content"][0]["text"]
    assert text.endswith(repr(["Men's", 'He said "hi"']))


@pytest.mark.parametrize(
    ("answer", "readable"),
    [
        (_answer("A", "b", True), True),
        ("\n " + _answer("A", "b", False) + " \n", True),
        (_answer("A", "b", "false"), True),
        (_answer("A", "b", 0), True),
        (_answer("A", "b", "no"), True),
        (_answer("A", "b", "maybe"), False),
        (_answer("A", "b", None), False),
        ("```json\n" + _answer("A", "b", True) + "\n```", False),
        ('{"category": "A", "brand": "b"}', False),
        ('{"category": "A", "brand": "b", "is_secondhand": true, "extra": 1}', False),
        (_answer("A", "b", True)[:-1], False),
        ("", False),
    ],
)
def test_parsing_is_strict_json_with_lax_booleans(answer: str, readable: bool) -> None:
    assert (TASK.parse(answer) is not None) == readable


def test_a_perfect_run_scores_1() -> None:
    rows = [("A > B", "Acme", True), ("C", "Zed", False)]
    score = TASK.score(_truth(*rows), [_answer(*row) for row in rows])
    assert score.unparsable == 0
    assert {score.metrics[name] for name in ("f1", "precision", "recall", "brand", "is_secondhand")} == {1}
    assert [(part.right, part.total) for part in score.parts] == [(2, 2), (1, 1)]


def test_an_unreadable_answer_is_wrong_at_every_level_of_its_truth() -> None:
    truth = _truth(("A > B > C", "Acme", False), ("A > B", "Acme", False))
    score = TASK.score(truth, ["no json", _answer("A > B", "Acme", False)])
    assert score.unparsable == 1
    assert (score.metrics["precision"], score.metrics["recall"]) == (2 / 5, 2 / 5)
    assert score.metrics["brand"] == 0.5


def test_the_random_parts_of_a_score_repeat() -> None:
    truth = _truth(*[("A > B", f"brand {i}", i % 3 == 0) for i in range(200)])
    first, second = (TASK.score(truth, ["?"] * 200) for _ in range(2))
    assert first == second
    assert 0 < first.baselines["f1"] < 1
    assert 0 < first.metrics["is_secondhand"] < 1


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=20))
def test_brand_score_is_the_share_of_ratios_above_90(pairs: list[tuple[str, str]]) -> None:
    same = [fuzz.ratio(left.strip().lower(), right.strip().lower()) > 90 for left, right in pairs]
    predicted, true = zip(*pairs, strict=True)
    assert brand_score(predicted, true) == pytest.approx(sum(same) / len(same))


def test_a_ratio_of_exactly_90_is_another_brand() -> None:
    assert fuzz.ratio("abcdefghij", "abcdefghiX") == 90
    assert brand_score(["abcdefghij", " ABCDEFGHIJK "], ["abcdefghiX", "abcdefghijk"]) == 0.5


@pytest.mark.parametrize(
    ("predicted", "true", "f1"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], 0.5),
        ([0, 0], [0, 0], 0.0),
        ([1, 0], [0, 1], 0.0),
        ([1, 1], [1, 0], 2 / 3),
    ],
)
def test_binary_f1(predicted: list[int], true: list[int], f1: float) -> None:
    assert binary_f1(np.array(predicted, dtype=bool), np.array(true, dtype=bool)) == pytest.approx(f1)


@pytest.mark.parametrize("value", [0.5, 1.0, 0.0, 7e-05, 1e-17, 0.7824])
def test_the_accuracy_line_is_json_without_exponent(value: float) -> None:
    score = TASK.score(_truth(("A", "b", True)), ["?"])
    line = TASK.accuracy_line(score.model_copy(update={"metrics": {"f1": value}}))
    assert json.loads(line) == {"f1": value}
    assert "e" not in line


# --- the dataset ---


def _write(path: Path, rows: range, **columns: object) -> None:
    table = {
        "product_image": [{"bytes": b"not a picture", "path": None} for _ in rows],
        "potential_product_categories": [["A > B"] for _ in rows],
        "ground_truth_category": [f"A > {row}" for row in rows],
        "ground_truth_brand": ["b" for _ in rows],
        "ground_truth_is_secondhand": [row % 2 == 0 for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table | columns), path)


def test_truth_follows_the_order_of_splits_and_shards(tmp_path: Path) -> None:
    _write(tmp_path / "data" / "test-00000-of-00001.parquet", range(5, 7))
    _write(tmp_path / "data" / "train-00001-of-00002.parquet", range(3, 5))
    _write(tmp_path / "data" / "train-00000-of-00002.parquet", range(3))
    truth = TASK.truth(tmp_path, ["train", "test"])
    assert list(truth["category"]) == [f"A > {row}" for row in range(7)]
    assert "product_image" not in truth


def test_a_missing_split_column_or_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        split_files(tmp_path / "absent", ["train"])
    pq.write_table(pa.table({"ground_truth_category": ["A"]}), tmp_path / "train.parquet")
    with pytest.raises(InputError, match="split 'test'"):
        TASK.truth(tmp_path, ["train", "test"])
    with pytest.raises(InputError, match="column 'ground_truth_brand' is missing"):
        TASK.truth(tmp_path, ["train"])
    (tmp_path / "train.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="not readable as Parquet"):
        TASK.truth(tmp_path, ["train"])


def test_a_sample_without_truth_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "train.parquet", range(3), ground_truth_brand=["b", None, "b"])
    with pytest.raises(InputError, match="sample 1 has no brand"):
        TASK.truth(tmp_path, ["train"])
    _write(tmp_path / "train.parquet", range(3), potential_product_categories=[["A"], ["A"], []])
    with pytest.raises(InputError, match="sample 2 has no candidate"):
        TASK.truth(tmp_path, ["train"])


def test_unknown_task_and_incomplete_prompt_are_one_sentence(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.json"
    with pytest.raises(InputError, match="known tasks are: product-catalogue"):
        load_task("no-such-task", prompt)
    with pytest.raises(InputError, match="cannot be read"):
        load_task("product-catalogue", prompt)
    prompt.write_text(json.dumps({"system": "s", "user": "@TITLE@ @DESC@"}))
    with pytest.raises(InputError, match="lacks @CATS@"):
        load_task("product-catalogue", prompt)
    prompt.write_text(json.dumps({"system": "s", "user": "@TITLE@ @DESC@ @CATS@"}))
    assert load_task("product-catalogue", prompt).name == "product-catalogue"
