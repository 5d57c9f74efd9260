"""Base class of tasks whose answers are texts."""

from collections.abc import Sequence

from weighbridge.benchmarks.content_index import NoContentIndex
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import AnswerKind


class TextAnswers(NoContentIndex):
    """Base class of a task that keeps and scores the text of an answer, as servers send it."""

    answers = AnswerKind.TEXT

    def texts(self, answers: Sequence[tuple[int, bytes]]) -> list[str]:
        """Return the text of each answer, from the sample's number and its UTF-8.

        Raises:
            InputError: an answer is not UTF-8; the message names the sample.
        """
        found = []
        for sample, answer in answers:
            try:
                found.append(answer.decode())
            except UnicodeDecodeError:
                raise InputError(f"the answer to sample {sample} is not UTF-8 text.") from None
        return found

    def encoded(self, texts: Sequence[str]) -> list[bytes]:
        """Return the UTF-8 of answers with these texts."""
        return [text.encode() for text in texts]
