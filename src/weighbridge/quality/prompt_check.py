"""Check, before anything is asked, that prompts are sent whole, and that letters are tokens of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.quality.harness_tasks import prompt_of
from weighbridge.quality.questions import QuestionSet
from weighbridge.quality.refused_request import too_long
from weighbridge.records.quality_answers import LETTERS

_ANSWER_TOKENS = 1  # the endpoint writes one after the echo

Encode = Callable[[str], list[int]]


def longest_first(
    questions: QuestionSet, rows: Mapping[str, tuple[int, ...]], shots: int
) -> dict[str, tuple[int, ...]]:
    """Return the subjects with their rows, that with the longest prompt first.

    A prompt that the server refuses for its length, whatever it counts as one, then ends the measurement at
    its beginning, and not after hours.
    """

    def length(name: str) -> int:
        subject = questions.subjects[name]
        return max(len(prompt_of(subject, subject.test[row], shots)) for row in rows[name])

    return {name: rows[name] for name in sorted(rows, key=length, reverse=True)}


def check_letters(
    questions: QuestionSet, rows: Mapping[str, tuple[int, ...]], shots: int, encode: Encode, tokenizer: Path
) -> None:
    """Check of one prompt of each subject that its tokens are the same with each letter after them.

    The log-probability of a letter is otherwise that of another text.

    Raises:
        InputError: they are not.
    """
    for name, asked in rows.items():
        subject = questions.subjects[name]
        prompt = prompt_of(subject, subject.test[asked[0]], shots)
        before = encode(prompt)
        for letter in LETTERS:
            whole = encode(f"{prompt} {letter}")
            if len(whole) <= len(before) or whole[: len(before)] != before:
                raise InputError(
                    f"{tokenizer}: its tokenizer joins the letter {letter} with the prompt before it, so the "
                    "letter has no log-probability of its own; set quality.mmlu.protocol: chat, or "
                    "quality.mmlu.bos: false."
                )


def check_lengths(
    questions: QuestionSet, rows: Mapping[str, tuple[int, ...]], shots: int, encode: Encode, context: int
) -> None:
    """Check that the longest prompt of each subject fits into the served model's context.

    The harness would cut it at its beginning, and the server refuse it in the middle of the measurement.

    Args:
        questions: All questions.
        rows: Those that are asked, by subject.
        shots: Solved questions before each.
        encode: Makes tokens.
        context: Tokens of prompt and answer that the server takes.

    Raises:
        InputError: one does not fit.
    """
    for name, asked in rows.items():
        subject = questions.subjects[name]
        # The solved questions are the same before each, so the longest alone is the longest after them.
        longest = max(
            (subject.test[row] for row in asked), key=lambda each: len(encode(prompt_of(subject, each, 0)))
        )
        prompt = prompt_of(subject, longest, shots)
        tokens = max(len(encode(f"{prompt} {letter}")) for letter in LETTERS) + _ANSWER_TOKENS
        if tokens > context:
            raise InputError(too_long(name, tokens, context, shots))
