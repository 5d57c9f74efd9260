"""The tasks that are written for lm-evaluation-harness: its own template of MMLU, and our form of a chat."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from weighbridge.config.quality_settings import AskingProtocol, MmluSettings
from weighbridge.core.errors import InputError
from weighbridge.quality.harness_tasks import prompt_of, task_name, write_task
from weighbridge.quality.prompt_check import check_lengths, check_letters, longest_first
from weighbridge.quality.questions import Domain, Question, QuestionSet, Subject

DEV = tuple(Question(number, f" Is it {number}? ", ("p", "q", "r", "s"), number % 4) for number in range(5))
TEST = (
    Question(0, 'What is "ß"?\n', ("w", "x", "y", "z"), 2),
    Question(1, "What is long, and longer than the others?", ("one", "two", "three", "four"), 0),
)
SUBJECT = Subject("high_school_physics", Domain.STEM, DEV, TEST)
QUESTIONS = QuestionSet("mmlu", {SUBJECT.name: SUBJECT})
ROWS = {SUBJECT.name: (0, 1)}
HARNESS = sorted((Path(__file__).parents[2] / ".venv-quality").glob("lib/*/site-packages/lm_eval/tasks/mmlu"))


def written(folder: Path, **settings: Any) -> dict[str, Any]:
    name = write_task(SUBJECT, MmluSettings(**settings), folder)
    task: dict[str, Any] = yaml.safe_load((folder / f"{name}.yaml").read_text())
    return task


def test_a_subject_s_questions_are_beside_its_task(tmp_path: Path) -> None:
    files = written(tmp_path / "task")["dataset_kwargs"]["data_files"]
    rows = [json.loads(line) for line in Path(files["test"]).read_text().splitlines()]
    assert [row["question"] for row in rows] == [question.text for question in TEST]
    assert rows[0] == {
        "question": TEST[0].text,
        "subject": SUBJECT.name,
        "choices": ["w", "x", "y", "z"],
        "answer": 2,
    }
    assert len(Path(files["dev"]).read_text().splitlines()) == len(DEV)


@pytest.mark.skipif(not HARNESS, reason="needs .venv-quality: make setup-quality")
def test_log_likelihoods_are_asked_as_the_harness_asks_them(tmp_path: Path) -> None:
    own = yaml.safe_load((HARNESS[0] / "default" / "_default_template_yaml").read_text())
    subject = yaml.safe_load((HARNESS[0] / "default" / f"mmlu_{SUBJECT.name}.yaml").read_text())
    assert own.pop("dataset_path") == "cais/mmlu"  # ours are local files of the same
    task = written(tmp_path)
    assert {name: task[name] for name in own} == own
    assert task["description"] == subject["description"]
    others = {"task", "dataset_path", "dataset_kwargs", "num_fewshot", "description"}
    assert task.keys() - own.keys() == others


def test_the_name_of_a_task_is_none_of_the_harness_s(tmp_path: Path) -> None:
    assert written(tmp_path)["task"] == task_name(SUBJECT) == "weighbridge_mmlu_high_school_physics"


def test_a_chat_asks_for_the_letter_alone_and_shows_letters_as_answers(tmp_path: Path) -> None:
    task = written(tmp_path, protocol=AskingProtocol.CHAT, shots=2, answer_tokens=7)
    assert task["num_fewshot"] == 2
    assert task["generation_kwargs"] == {"until": [], "temperature": 0.0, "max_gen_toks": 7}
    assert task["doc_to_target"] == "{{['A', 'B', 'C', 'D'][answer]}}"
    assert "description" not in task  # it would become a system message, which some models refuse
    assert task["doc_to_text"] == (
        "Answer this multiple choice question about high school physics with the letter of the right choice "
        "alone.\n\n{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\n"
        "D. {{choices[3]}}"
    )


def test_a_prompt_has_solved_questions_before_the_one_that_is_asked() -> None:
    assert prompt_of(SUBJECT, TEST[0], 1) == (
        "The following are multiple choice questions (with answers) about high school physics.\n\n"
        "Is it 0?\nA. p\nB. q\nC. r\nD. s\nAnswer: A\n\n"
        'What is "ß"?\nA. w\nB. x\nC. y\nD. z\nAnswer:'
    )


def by_character(text: str) -> list[int]:
    return list(map(ord, text))


def test_the_longest_prompt_must_fit_into_the_context() -> None:
    longest = len(prompt_of(SUBJECT, TEST[1], 5)) + len(" A") + 1
    check_lengths(QUESTIONS, ROWS, 5, by_character, longest)
    check_lengths(QUESTIONS, {SUBJECT.name: (0,)}, 5, by_character, longest - 1)
    with pytest.raises(
        InputError, match=rf"high_school_physics has {longest} tokens .* takes {longest - 1};"
    ):
        check_lengths(QUESTIONS, ROWS, 5, by_character, longest - 1)


def test_the_subject_with_the_longest_prompt_is_first() -> None:
    short = Subject("anatomy", Domain.STEM, DEV, TEST[:1])
    both = QuestionSet("mmlu", {short.name: short, SUBJECT.name: SUBJECT})
    assert list(longest_first(both, {short.name: (0,), SUBJECT.name: (0, 1)}, 5)) == [
        SUBJECT.name,
        short.name,
    ]
    assert list(longest_first(both, {short.name: (0,)}, 5)) == [short.name]


def ends_each_text(text: str) -> list[int]:
    return [*by_character(text), 0]


def joins_a_colon_and_a_b(text: str) -> list[int]:
    return by_character(text.replace(": B", "ß") if text.endswith(": B") else text)


@pytest.mark.parametrize("encode", [ends_each_text, joins_a_colon_and_a_b])
def test_a_letter_must_be_a_token_after_those_of_the_prompt(encode: Any) -> None:
    check_letters(QUESTIONS, ROWS, 5, by_character, Path("model"))
    with pytest.raises(InputError, match=r"its tokenizer joins the letter [AB] with the prompt"):
        check_letters(QUESTIONS, ROWS, 5, encode, Path("model"))
