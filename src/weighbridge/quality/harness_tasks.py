"""Write the questions of a subject as a task of lm-evaluation-harness, which asks nothing of the hub."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from weighbridge.config.quality_settings import MmluSettings
from weighbridge.quality.questions import Question, Subject
from weighbridge.records.quality_answers import LETTERS

LETTER_FILTER = "weighbridge-letter"
"""Name of our filter at the harness, which makes the letter that it chooses of a text."""
NO_LETTER = "[none]"
"""What that filter makes of a text that chooses none."""

_CHOICES = "".join(f"\n{letter}. {{{{choices[{number}]}}}}" for number, letter in enumerate(LETTERS))
_LETTERS = list(LETTERS)


def task_name(subject: Subject) -> str:
    """Return the name of a subject's task, which none of the harness has."""
    return f"weighbridge_mmlu_{subject.name}"


def write_task(subject: Subject, settings: MmluSettings, folder: Path) -> str:
    """Write a subject's dev.jsonl, test.jsonl and task into a folder.

    Args:
        subject: The subject.
        settings: How it is asked.
        folder: A folder of its own; made if missing. The harness finds the task with it as `include_path`.

    Returns:
        The task's name.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for split, questions in (("dev", subject.dev), ("test", subject.test)):
        files[split] = str(folder / f"{split}.jsonl")
        Path(files[split]).write_text("".join(_lines(subject, questions)), encoding="utf-8")
    task = {
        "task": task_name(subject),
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "test_split": "test",
        "fewshot_split": "dev",
        "fewshot_config": {"sampler": "first_n"},
        "num_fewshot": settings.shots,
        "metadata": {"version": 1.0},
        **(_by_likelihood(subject) if settings.by_likelihood else _by_chat(subject, settings)),
    }
    (folder / f"{task_name(subject)}.yaml").write_text(
        yaml.safe_dump(task, sort_keys=False), encoding="utf-8"
    )
    return task_name(subject)


def prompt_of(subject: Subject, question: Question, shots: int) -> str:
    """Return what a question's letters follow with the log-likelihood protocol, as the harness writes it."""
    solved = "".join(f"{_plain(each)} {LETTERS[each.answer]}\n\n" for each in subject.dev[:shots])
    return f"{_description(subject)}{solved}{_plain(question)}"


def _lines(subject: Subject, questions: Iterable[Question]) -> Iterable[str]:
    for question in questions:
        row = {
            "question": question.text,
            "subject": subject.name,
            "choices": question.choices,
            "answer": question.answer,
        }
        yield json.dumps(row) + "\n"


def _words(subject: Subject) -> str:
    return subject.name.replace("_", " ")


def _description(subject: Subject) -> str:
    return f"The following are multiple choice questions (with answers) about {_words(subject)}.\n\n"


def _plain(question: Question) -> str:
    choices = "".join(
        f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=True)
    )
    return f"{question.text.strip()}{choices}\nAnswer:"


def _by_likelihood(subject: Subject) -> dict[str, Any]:
    """Return what the harness's own tasks of MMLU have (tasks/mmlu/default); a test compares."""
    return {
        "description": _description(subject),
        "output_type": "multiple_choice",
        "doc_to_text": f"{{{{question.strip()}}}}{_CHOICES}\nAnswer:",
        "doc_to_choice": _LETTERS,
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }


def _by_chat(subject: Subject, settings: MmluSettings) -> dict[str, Any]:
    """Return a question as a user's turn, its letter as the assistant's.

    Without a system message, which the templates of some models refuse.
    """
    return {
        "output_type": "generate_until",
        "doc_to_text": f"Answer this multiple choice question about {_words(subject)} with the letter of the "
        f"right choice alone.\n\n{{{{question.strip()}}}}{_CHOICES}",
        "doc_to_target": f"{{{{{_LETTERS}[answer]}}}}",
        "generation_kwargs": {"until": [], "temperature": 0.0, "max_gen_toks": settings.answer_tokens},
        "filter_list": [
            {"name": "letter", "filter": [{"function": LETTER_FILTER}, {"function": "take_first"}]}
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
