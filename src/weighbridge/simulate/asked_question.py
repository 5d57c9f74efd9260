"""Find the multiple-choice question that a prompt asks: the last one in it that is known."""

from collections import defaultdict
from typing import NamedTuple

from weighbridge.quality.questions import Question, QuestionSet
from weighbridge.records.quality_answers import LETTERS

_BEFORE_ANSWER = "\nAnswer:"


class AskedQuestion(NamedTuple):
    """The question of a prompt.

    Attributes:
        text: The question with its choices; questions with the same text cannot be told apart.
        end: Where the prompt's answer begins, in characters.
        answer: What stands there; empty: the model is to write it.
    """

    text: str
    end: int
    answer: str


class QuestionFinder:
    """Finds the known questions in prompts, whatever stands before them or between question and answer."""

    def __init__(self, questions: QuestionSet) -> None:
        """Prepare to find the questions that can be asked; those that are shown solved are not found."""
        self._by_last_line: defaultdict[str, list[str]] = defaultdict(list)
        for text in {text_of(each) for subject in questions.subjects.values() for each in subject.test}:
            self._by_last_line[text.rpartition("\n")[2]].append(text)
        for texts in self._by_last_line.values():
            texts.sort(key=len, reverse=True)  # the longest first: another may be its end

    def find(self, prompt: str) -> AskedQuestion | None:
        """Return the last known question of a prompt; None if there is none."""
        end = len(prompt)
        while end >= 0:
            start = prompt.rfind("\n", 0, end) + 1
            for text in self._by_last_line.get(prompt[start:end], ()):
                if prompt.endswith(text, 0, end):
                    answer = prompt[end:].removeprefix(_BEFORE_ANSWER)
                    return AskedQuestion(text, len(prompt) - len(answer), answer)
            end = start - 1
        return None


def text_of(question: Question) -> str:
    """Return a question with its choices, as the standard prompts of MMLU have it."""
    choices = (f"{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=True))
    return "\n".join((question.text.strip(), *choices))
