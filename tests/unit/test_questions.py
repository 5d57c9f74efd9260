"""Sets of questions: subjects and domains as the harness has them, and what files are refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from question_files import Row, mmlu_sizes, row_of, rows_of, write_mmlu, write_split

from weighbridge.core.errors import InputError
from weighbridge.quality.questions import Domain, Question, read_questions, set_definitions

ROOT = Path(__file__).parents[2]
MMLU = set_definitions().mmlu


@pytest.fixture(scope="module")
def harness() -> Path:
    """Return the folder of the harness's MMLU tasks."""
    found = [*ROOT.glob(".venv-quality/lib/python*/site-packages/lm_eval/tasks/mmlu/default")]
    if not found:
        pytest.skip("there is no .venv-quality; run 'make setup-quality'")
    return found[0]


def test_subjects_belong_to_the_domains_of_the_harness(harness: Path) -> None:
    tasks = [yaml.safe_load(file.read_text()) for file in harness.glob("mmlu_*.yaml")]
    groups = {
        f"mmlu_{domain.lower().replace(' ', '_')}_tasks": domain for domain in (each.value for each in Domain)
    }
    theirs = {task["dataset_name"]: groups[task["tag"]] for task in tasks}
    assert MMLU.domain_of == theirs


def test_mmlu_has_57_subjects_in_four_domains() -> None:
    assert Counter(MMLU.domain_of.values()) == {
        Domain.STEM: 19,
        Domain.HUMANITIES: 13,
        Domain.SOCIAL_SCIENCES: 12,
        Domain.OTHER: 13,
    }
    assert sum(len(subjects) for subjects in MMLU.domains.values()) == 57


def test_a_whole_set_is_read_in_the_order_of_its_files(tmp_path: Path) -> None:
    sizes = write_mmlu(tmp_path)
    found = read_questions(tmp_path)
    assert (found.name, found.available) == ("mmlu", 14_042)
    assert {name: len(subject.test) for name, subject in found.subjects.items()} == sizes
    assert [*found.subjects] == sorted(sizes)
    anatomy = found.subjects["anatomy"]
    assert (anatomy.domain, len(anatomy.dev)) == ("STEM", 5)
    choices = tuple(f"anatomy 6, choice {letter}" for letter in "ABCD")
    assert anatomy.test[6] == Question(6, "anatomy: 6?", choices, 2)  # type: ignore[arg-type]


def test_subjects_may_be_mixed_in_a_file(tmp_path: Path) -> None:
    subjects = sorted(set_definitions().synthetic.domain_of)
    write_split(tmp_path, "dev", [row_of(subject, number) for number in range(5) for subject in subjects])
    write_split(tmp_path, "test", [row_of(subject, number) for number in range(2) for subject in subjects])
    found = read_questions(tmp_path)
    assert found.name == "synthetic"
    assert [each.text for each in found.subjects[subjects[1]].test] == [
        f"{subjects[1]}: {number}?" for number in (0, 1)
    ]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"answer": 4}, r"row 0 of all/test.*answer.* is 4"),
        ({"answer": -1}, r"row 0 of all/test.*answer.* is -1"),
        ({"answer": "A"}, r"row 0 of all/test.*answer"),
        ({"answer": None}, r"row 0 of all/test.*answer"),
        ({"choices": ["1", "2", "3"]}, r"row 0 of all/test.*choices"),
        ({"choices": ["1", "2", "3", "4", "5"]}, r"row 0 of all/test.*choices"),
        ({"choices": ["1", "2", "3", None]}, r"row 0 of all/test.*choices"),
        ({"question": None}, r"row 0 of all/test.*question"),
        ({"subject": "alchemy"}, r"'alchemy' is no subject of the set mmlu"),
        ({"subject": "made_up_words"}, r"no question of made_up_arithmetic, and 3 of 4 subjects"),
    ],
)
def test_a_row_that_is_no_question_is_refused(tmp_path: Path, wrong: Row, sentence: str) -> None:
    rows = rows_of(dict.fromkeys(MMLU.domain_of, 5))
    write_split(tmp_path, "dev", rows)
    write_split(tmp_path, "test", [row_of("anatomy", 0) | wrong])
    with pytest.raises(InputError, match=sentence) as error:
        read_questions(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dev": {"anatomy": 4}}, "all/dev has 4 questions of anatomy instead of 5"),
        ({"dev": {"anatomy": 0}}, "'anatomy' is in one of all/dev and all/test only"),
        ({"test": {"virology": 0}}, "no question of virology, and 1 of 57 subjects are missing"),
        ({"test": {"virology": 1}}, "questions instead of 14,042"),
    ],
)
def test_an_incomplete_set_is_refused(
    tmp_path: Path, change: dict[str, dict[str, int]], sentence: str
) -> None:
    sizes: dict[str, Any] = {"dev": dict.fromkeys(MMLU.domain_of, 5), "test": mmlu_sizes()}
    for split, content in sizes.items():
        write_split(tmp_path, split, rows_of(content | change.get(split, {})))
    with pytest.raises(InputError, match=sentence):
        read_questions(tmp_path)


def test_missing_files_and_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder does not exist"):
        read_questions(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no Parquet file of the split 'all/dev'"):
        read_questions(tmp_path)
    write_split(tmp_path, "dev", [{"question": "?", "answer": 1}])
    with pytest.raises(InputError, match="the column 'subject' is missing"):
        read_questions(tmp_path)
