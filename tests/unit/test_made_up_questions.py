"""Made-up questions: the form of MMLU, always the same, and short enough for the demo's model."""

from collections import Counter
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.quality.made_up_questions import MOST_QUESTIONS, write_made_up_questions
from weighbridge.quality.questions import Domain, Question, QuestionSet, read_questions

MODEL = Path(__file__).parents[2] / "src/weighbridge/benchmarks/llama3_1_8b/demo/model"
LETTERS = "ABCD"
FITS_TOKENS = 480


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> QuestionSet:
    folder = tmp_path_factory.mktemp("questions")
    write_made_up_questions(100, folder)
    return read_questions(folder)


def test_there_is_a_subject_of_each_domain(made_up: QuestionSet) -> None:
    assert made_up.name == "synthetic"
    assert {subject.domain for subject in made_up.subjects.values()} == set(Domain)
    assert {(len(subject.dev), len(subject.test)) for subject in made_up.subjects.values()} == {(5, 100)}


def test_each_letter_is_right_equally_often(made_up: QuestionSet) -> None:
    for subject in made_up.subjects.values():
        assert Counter(each.answer for each in subject.test) == dict.fromkeys(range(4), 25)


def test_no_two_questions_and_no_two_choices_are_alike(made_up: QuestionSet) -> None:
    for subject in made_up.subjects.values():
        asked = [(each.text, *sorted(each.choices)) for each in subject.dev + subject.test]
        assert len(set(asked)) == 105
        assert all(len(set(each.choices)) == 4 for each in subject.dev + subject.test)


def test_the_right_answer_is_right(made_up: QuestionSet) -> None:
    for each in made_up.subjects["made_up_words"].test:
        assert each.choices[each.answer] == min(each.choices)
    for each in made_up.subjects["made_up_arithmetic"].test:
        _, _, first, _, second = each.text.rstrip("?").split()
        assert int(each.choices[each.answer]) == int(first) + int(second)


def _text(question: Question, answer: str) -> str:
    choices = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=True)]
    return "\n".join([question.text, *choices, f"Answer: {answer}"])


def test_a_prompt_with_five_solved_questions_fits_into_the_demo_s_context(made_up: QuestionSet) -> None:
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    for name, subject in made_up.subjects.items():
        about = name.replace("_", " ")
        header = f"The following are multiple choice questions (with answers) about {about}."
        solved = [_text(each, LETTERS[each.answer]) for each in subject.dev]
        prompts = ["\n\n".join([header, *solved, _text(each, "A")]) for each in subject.test]
        assert max(len(each.ids) for each in tokenizer.encode_batch(prompts)) < FITS_TOKENS


def test_the_same_number_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_made_up_questions(3, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.parquet"))
    assert [file.as_posix() for file in files] == [
        "all/dev-00000-of-00001.parquet",
        "all/test-00000-of-00001.parquet",
    ]
    for file in files:
        assert sha256_of(tmp_path / "a" / file) == sha256_of(tmp_path / "b" / file)


def test_more_than_can_differ_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 1,000"):
        write_made_up_questions(MOST_QUESTIONS + 1, tmp_path)
    write_made_up_questions(MOST_QUESTIONS, tmp_path)
    assert read_questions(tmp_path).available == 4 * MOST_QUESTIONS
