"""The error analysis of an accuracy run: intervals, lost points, examples, unparsable answers."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loadgen_files import small_round
from PIL import Image

from weighbridge.core.errors import InputError
from weighbridge.evaluation.error_analysis import ErrorAnalysis, analyse_errors
from weighbridge.evaluation.evaluate import evaluate

GOOD, BAD, OTHER = "Home > Lamps", "Home > Tables", "Toys > Kites"
# Samples per category, and how many of them are answered correctly.
CATEGORIES = {GOOD: (40, 38), BAD: (35, 7), OTHER: (30, 16)}
PATHS = [path for path, (count, _) in CATEGORIES.items() for _ in range(count)]
SAMPLES = len(PATHS)
ROUND = small_round(samples=SAMPLES, splits=("train", "test"))


def _image(mode: str, size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 0).save(buffer, format=kind)
    return buffer.getvalue()


IMAGES = [_image("RGB", (900, 300), "JPEG"), _image("RGBA", (10, 40), "PNG"), b"no image", None]


def _answer(path: str) -> str:
    return json.dumps({"category": path, "brand": "Acme", "is_secondhand": False})


def _right_answers() -> list[str]:
    return [_answer(path) for path in PATHS]


def _answers() -> list[str]:
    answers = []
    for path, (count, right) in CATEGORIES.items():
        wrong = f"{path.split()[0]} > Wrong"
        answers += [_answer(path if number < right else wrong) for number in range(count)]
    return answers


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    dataset, logs = tmp_path / "dataset", tmp_path / "accuracy"
    dataset.mkdir()
    logs.mkdir()
    rows = [
        {
            "product_title": f"Thing {number}",
            "product_image": {"bytes": IMAGES[number % 4], "path": None},
            "potential_product_categories": [GOOD, BAD],
            "ground_truth_category": path,
            "ground_truth_brand": "Acme",
            "ground_truth_is_secondhand": False,
        }
        for number, path in enumerate(PATHS)
    ]
    for split, part in (("train", rows[:60]), ("test", rows[60:])):
        pq.write_table(pa.Table.from_pylist(part), dataset / f"{split}.parquet", row_group_size=25)
    prompt = tmp_path / "prompt.json"
    prompt.write_text(json.dumps({"system": "s", "user": "@TITLE@ @DESC@ @CATS@"}))
    return {"logs": logs, "dataset": dataset, "prompt": prompt}


def _analysis(inputs: dict[str, Path], answers: list[str]) -> ErrorAnalysis:
    records = [{"seq_id": i, "qsl_idx": i, "data": text.encode().hex()} for i, text in enumerate(answers)]
    (inputs["logs"] / "mlperf_log_accuracy.json").write_text(json.dumps(records))
    return analyse_errors(**inputs, round_=ROUND)


def test_the_levels_are_the_scores_with_their_intervals(inputs: dict[str, Path], tmp_path: Path) -> None:
    found = _analysis(inputs, _answers())
    score = evaluate(**inputs, round_=ROUND, output=tmp_path / "out").score
    levels = {level.name: level for level in found.levels}
    assert [*levels] == ["f1", "category level 1", "category level 2", "brand", "is_secondhand"]
    assert levels["f1"].value == pytest.approx(score.metrics["f1"])
    assert levels["category level 2"].value == pytest.approx((38 + 7 + 16) / SAMPLES)
    assert levels["f1"].low < levels["f1"].value < levels["f1"].high
    assert [level.samples for level in found.levels] == [SAMPLES] * 4 + [0]
    assert (levels["is_secondhand"].low, levels["is_secondhand"].high) == (0, 1)


def test_groups_below_average_are_sorted_by_their_loss(inputs: dict[str, Path]) -> None:
    found = _analysis(inputs, _answers())
    assert [group.name for group in found.groups] == [BAD, OTHER]
    bad, other = found.groups
    assert (bad.samples, bad.value) == (35, pytest.approx((35 + 7) / 70))
    # Each wrong answer loses the second of two levels.
    assert bad.lost == pytest.approx(28 / (2 * SAMPLES))
    assert other.lost == pytest.approx(14 / (2 * SAMPLES))
    answers = _right_answers()
    for sample, path in enumerate(PATHS):
        answers[sample] = _answers()[sample] if path == BAD else answers[sample]
    assert _analysis(inputs, answers).levels[0].value == pytest.approx(1 - bad.lost)


def test_examples_hold_title_truth_and_answer(inputs: dict[str, Path]) -> None:
    bad = _analysis(inputs, _answers()).groups[0]
    first = 40 + 7
    assert [example.sample for example in bad.examples] == [first, first + 1, first + 2]
    for example in bad.examples:
        assert example.title == f"Thing {example.sample}"
        assert json.loads(example.truth) == {"category": BAD, "brand": "Acme", "is_secondhand": False}
        assert example.answer == _answer("Home > Wrong")


def test_images_are_small_jpegs_or_none(inputs: dict[str, Path]) -> None:
    answers = [
        _answer("Nothing") if path == BAD else answer for path, answer in zip(PATHS, _answers(), strict=True)
    ]
    examples = [example for group in _analysis(inputs, answers).groups for example in group.examples]
    assert {example.sample % 4 for example in examples} >= {0, 1, 2}
    for example in examples:
        if example.sample % 4 > 1:
            assert example.image is None
            continue
        assert example.image is not None
        with Image.open(io.BytesIO(example.image)) as image:
            assert image.format == "JPEG"
            assert image.size == ((160, 53) if example.sample % 4 == 0 else (10, 40))
            white = example.sample % 4 == 1  # fully transparent
            assert image.getpixel((5, 5)) == ((255, 255, 255) if white else (0, 0, 0))


def test_unparsable_answers_are_kept_verbatim_up_to_a_limit(inputs: dict[str, Path]) -> None:
    answers = _right_answers()
    answers[3], answers[50:80] = "I think it's\n\x00 a lamp", ["no " * 5000] * 30
    found = _analysis(inputs, answers)
    assert found.unparsable_total == 31
    assert len(found.unparsable) == 20
    assert (found.unparsable[0].sample, found.unparsable[0].answer) == (3, "I think it's\n\x00 a lamp")
    assert len(found.unparsable[1].answer) == 2000
    assert found.unparsable[1].answer.endswith("…")


def test_parsable_mistakes_are_preferred_as_examples(inputs: dict[str, Path]) -> None:
    answers = _right_answers()
    answers[40:50] = ["?"] * 10
    answers[60] = _answer("Home > Wrong")
    [group] = _analysis(inputs, answers).groups
    assert [example.sample for example in group.examples] == [60, 40, 41]


def test_all_groups_are_listed_when_every_answer_is_wrong(inputs: dict[str, Path]) -> None:
    found = _analysis(inputs, ["?"] * SAMPLES)
    assert [group.name for group in found.groups] == [GOOD, BAD, OTHER]
    assert sum(group.lost for group in found.groups) == pytest.approx(1)


def test_correct_answers_leave_no_groups_or_examples(inputs: dict[str, Path]) -> None:
    found = _analysis(inputs, _right_answers())
    assert (found.groups, found.unparsable, found.unparsable_total) == ((), (), 0)
    assert (found.levels[0].low, found.levels[0].value, found.levels[0].high) == (1, 1, 1)


def test_a_log_of_another_dataset_is_refused(inputs: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=f"1 of {SAMPLES} samples have no answer"):
        _analysis(inputs, _answers()[:-1])
