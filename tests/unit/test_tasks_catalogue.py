"""The product catalogue: prompt, dataset columns, parsing and score."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas import DataFrame
from PIL import Image
from rapidfuzz import fuzz

from weighbridge.benchmarks.qwen3_vl.prompt import Prompt
from weighbridge.benchmarks.qwen3_vl.scoring import binary_f1, read_answer, same_brand
from weighbridge.benchmarks.qwen3_vl.task import ProductCatalogue
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import DatasetSamples, split_files
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import Api

PRODUCT = {
    "product_title": "Mug",
    "product_description": "Holds tea",
    "potential_product_categories": ["A > B"],
}
TASK = ProductCatalogue(Prompt(system="Classify.", user="@TITLE@|@DESC@|@CATS@"))


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, format="PNG")
    return buffer.getvalue()


PNG = _png()


def _answer(category: str, brand: str, is_secondhand: object) -> str:
    return json.dumps({"category": category, "brand": brand, "is_secondhand": is_secondhand})


def _truth(*rows: tuple[str, str, bool]) -> DataFrame:
    frame = DataFrame(rows, columns=["category", "brand", "is_secondhand"])
    frame["candidates"] = [["A > B", "C"]] * len(rows)
    return frame


def messages_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    image = {"product_image": {"bytes": PNG}}
    return TASK.prompt_of(row | image, RequestSettings(picture="original"))


def test_messages_have_the_text_before_the_image() -> None:
    system, user = messages_of(PRODUCT)
    url = f"data:image/PNG;base64,{base64.b64encode(PNG).decode()}"
    assert system == {"role": "system", "content": "Classify."}
    assert user["content"] == [
        {"type": "text", "text": "Mug|Holds tea|['A > B']"},
        {
            "type": "image_url",
            "image_url": {"url": url},
        },
    ]


def test_placeholders_within_a_products_text_are_not_replaced() -> None:
    row = PRODUCT | {"product_title": r"@DESC@ \1 @CATS@"}
    assert messages_of(row)[1]["content"][0]["text"] == r"@DESC@ \1 @CATS@|Holds tea|['A > B']"


def test_candidates_are_printed_as_python_prints_a_list() -> None:
    row = PRODUCT | {"potential_product_categories": np.array(["Men's", 'He said "hi"'], dtype=object)}
    text = messages_of(row)[1]["content"][0]["text"]
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
    assert (read_answer(answer) is not None) == readable


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


def test_the_random_parts_of_a_score_are_reproducible() -> None:
    truth = _truth(*[("A > B", f"brand {i}", i % 3 == 0) for i in range(200)])
    first, second = (TASK.score(truth, ["?"] * 200) for _ in range(2))
    assert first == second
    assert 0 < first.baselines["f1"] < 1
    assert 0 < first.metrics["is_secondhand"] < 1


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=20))
def test_brands_of_a_ratio_above_90_are_the_same(pairs: list[tuple[str, str]]) -> None:
    same = [fuzz.ratio(left.strip().lower(), right.strip().lower()) > 90 for left, right in pairs]
    predicted, true = zip(*pairs, strict=True)
    assert same_brand(predicted, true).tolist() == same


def test_a_ratio_of_exactly_90_is_another_brand() -> None:
    assert fuzz.ratio("abcdefghij", "abcdefghiX") == 90
    same = same_brand(["abcdefghij", " ABCDEFGHIJK "], ["abcdefghiX", "abcdefghijk"])
    assert same.tolist() == [False, True]


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


_PATHS = st.lists(st.sampled_from(["A", "B", "C"]), min_size=1, max_size=4).map(" > ".join)
_PRODUCTS = st.tuples(_PATHS, st.sampled_from(["Acme", "Zed"]), st.booleans())


@given(st.lists(st.tuples(_PRODUCTS, _PRODUCTS | st.none()), min_size=1, max_size=30))
def test_the_samples_gains_add_up_to_the_score(pairs: list[tuple[tuple, tuple | None]]) -> None:
    truth = _truth(*(true for true, _ in pairs))
    answers = ["?" if said is None else _answer(*said) for _, said in pairs]
    score, divided = TASK.score(truth, answers), TASK.per_sample(truth, answers)
    values = {measure.name: measure.value for measure in divided.measures}
    for name in ("f1", "brand", "is_secondhand"):
        assert values[name] == pytest.approx(score.metrics[name], abs=1e-12)
    assert divided.measures[0].name == "f1"
    assert divided.readable.tolist() == [said is not None for _, said in pairs]

    main, *levels = (
        measure for measure in divided.measures if "f1" in measure.name or "level" in measure.name
    )
    assert [measure.name for measure in levels] == [part.name for part in score.parts]
    assert [(m.gained.sum() / 2) for m in levels] == [part.right for part in score.parts]
    assert sum(measure.gained for measure in levels).tolist() == main.gained.tolist()


def test_a_level_counts_products_that_have_it_and_answers_that_claim_it() -> None:
    truth = _truth(("A > B", "Acme", False), ("A", "Acme", False), ("C > D", "Acme", False))
    answers = [_answer(path, "Acme", False) for path in ("A > B", "A > B", "C")]
    levels = {measure.name: measure for measure in TASK.per_sample(truth, answers).measures}
    assert levels["category level 1"].value == 1
    assert levels["category level 2"].gained.tolist() == [2, 0, 0]
    assert levels["category level 2"].possible.tolist() == [2, 1, 1]
    assert levels["is_secondhand"].value == 0


def test_small_second_level_categories_are_one_group_of_their_top_level() -> None:
    rows = (
        [("A > B > C", "x", False)] * 30 + [("A > D", "x", False)] * 29 + [("A", "x", True), ("E", "x", True)]
    )
    groups = TASK.per_sample(_truth(*rows), ["?"] * len(rows)).groups.tolist()
    assert groups == ["A > B"] * 30 + ["A > …"] * 30 + ["E > …"]


def test_a_product_is_described_by_its_title_and_the_right_answer() -> None:
    row = PRODUCT | {
        "ground_truth_category": "Töpfe > Deckel",
        "ground_truth_brand": "b",
        "ground_truth_is_secondhand": True,
        "product_image": {"bytes": PNG},
    }
    assert set(TASK.described_by) <= set(row)
    description = TASK.describe(row)
    assert description.title == "Mug"
    assert description.image == PNG
    assert description.truth == '{"category":"Töpfe > Deckel","brand":"b","is_secondhand":true}'


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


@given(st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_read_by_their_numbers_over_files_and_row_groups(
    tmp_path: Path, data: st.DataObject
) -> None:
    shards = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=3))
    group = data.draw(st.integers(1, 40))
    first = 0
    for stale in tmp_path.glob("*.parquet"):
        stale.unlink()
    for number, rows in enumerate(shards):
        table = pa.table({"title": pa.array([str(first + row) for row in range(rows)], pa.string())})
        pq.write_table(table, tmp_path / f"train-0000{number}-of-00003.parquet", row_group_size=group)
        first += rows
    wanted = data.draw(st.sets(st.integers(0, first - 1), max_size=8)) if first else set()
    found = DatasetSamples.of(tmp_path, ["train"]).rows(["title"], [*wanted])
    assert found == {sample: {"title": str(sample)} for sample in wanted}


def test_a_missing_split_column_or_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        split_files(tmp_path / "absent", ["train"])
    pq.write_table(pa.table({"ground_truth_category": ["A"]}), tmp_path / "train.parquet")
    with pytest.raises(InputError, match="split 'test'"):
        TASK.truth(tmp_path, ["train", "test"])
    with pytest.raises(InputError, match="column 'ground_truth_brand' is missing"):
        TASK.truth(tmp_path, ["train"])
    (tmp_path / "train.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
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
    with pytest.raises(InputError, match=r"the known ones are: .*qwen3-vl-235b-a22b"):
        load_benchmark("no-such-benchmark")
    with pytest.raises(InputError, match="cannot be read"):
        load_benchmark("qwen3-vl-235b-a22b").task(prompt)
    prompt.write_text(json.dumps({"system": "s", "user": "@TITLE@ @DESC@"}))
    with pytest.raises(InputError, match="lacks the placeholder @CATS@"):
        load_benchmark("qwen3-vl-235b-a22b").task(prompt)
    prompt.write_text(json.dumps({"system": "s", "user": "@TITLE@ @DESC@ @CATS@"}))
    assert load_benchmark("qwen3-vl-235b-a22b").task(prompt).api is Api.CHAT
