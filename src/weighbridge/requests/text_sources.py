"""Questions and recorded answers of conversations: made up, or from JSON lines in InternVL's form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.requests.draws import Sampler, without_replacement
from weighbridge.requests.line_reader import json_lines, parse_line
from weighbridge.requests.slice_draws import SlicePart
from weighbridge.requests.synthetic_text import SyntheticText

_MOST_TOKENS = 1_000_000  # of a question
_IMAGE_MARKS = ("<image>\n", "\n<image>", "<image>")


@dataclass(frozen=True)
class Exchange:
    """A question and its recorded answer.

    Attributes:
        question: Text of the user's message.
        answer: Recorded answer; empty where none is repeated later.
    """

    question: str
    answer: str


@dataclass(frozen=True)
class Line:
    """One line of the file.

    Attributes:
        exchanges: Its questions with their answers.
        image: Its image's path, as written; None: it names none.
    """

    exchanges: tuple[Exchange, ...]
    image: str | None


class Texts(Protocol):
    """Where the texts of conversations come from, in their order."""

    available: int | None
    """How many lines or pairs there are, none of which recurs; None: as many as are needed."""

    def needed(self, turns: NDArray[np.int64]) -> int:
        """Return how many lines or pairs conversations of these turns take."""

    def next(self, part: SlicePart, conversation: int) -> Line:
        """Return what the next conversation says, one exchange a turn."""


class MadeUpTexts:
    """Synthetic questions, and synthetic answers of the asked length."""

    available: int | None = None

    def __init__(self, workload: Workload, texts: SyntheticText) -> None:
        """Prepare the draws."""
        self._texts = texts
        self._tokens = Sampler(
            workload.source.text.tokens, "source.text.tokens", whole=True, lowest=1, most=_MOST_TOKENS
        )
        self._recorded = workload.history == "recorded"

    def needed(self, turns: NDArray[np.int64]) -> int:  # noqa: ARG002 - nothing is taken from anywhere
        """Return 0."""
        return 0

    def next(self, part: SlicePart, conversation: int) -> Line:
        """Return a conversation's texts, each turn's from streams of its own."""
        turns = int(part.turns[conversation])
        exchanges = []
        for turn in range(turns):
            tokens = int(self._tokens.draw(part.stream("text_tokens", turn), 1)[0])
            question = self._texts.make(part.stream("text", turn), tokens)
            answer = ""
            if self._recorded and turn < turns - 1:
                answer = self._texts.make(part.stream("answer", turn), int(part.output[turn, conversation]))
            exchanges.append(Exchange(question, answer))
        return Line(tuple(exchanges), None)


class RecordedTexts:
    """Lines in InternVL's form, each once; or their pairs, unrelated to each other, each once."""

    def __init__(self, workload: Workload, most_turns: float, skip: int) -> None:
        """Read the file once, and keep where each usable line begins.

        Args:
            workload: The workload.
            most_turns: Largest number of turns; a line with fewer pairs is not used.
            skip: How many lines or pairs earlier stores have taken.

        Raises:
            InputError: the file cannot be read, a line is not in InternVL's form, or none has enough pairs.
        """
        assert workload.source.text.path is not None
        self.path: Path = workload.source.text.path
        self.together = workload.source.text.pairing == "same-conversation"
        if self.together and not np.isfinite(most_turns):
            raise InputError(
                f"workload {workload.name}: 'turns' has no upper bound, so that no line of {self.path} "
                "is sure to have enough pairs; give 'max'."
            )
        self._seed, self._taken = workload.seed, skip
        rows = [row for row in _indexed(self.path) if not self.together or row[2] >= most_turns]
        if not rows:
            raise InputError(f"{self.path}: no line has {most_turns:g} questions and answers; lower 'turns'.")
        self._rows = rows if self.together else [(*row[:2], pair) for row in rows for pair in range(row[2])]
        self.available: int | None = len(self._rows)
        self._read = lru_cache(maxsize=64)(self._read_line)

    def restrict(self, has_image: Sequence[bool]) -> None:
        """Keep only lines whose image can be used, in the order of `images`."""
        self._rows = [row for row, kept in zip(self._rows, has_image, strict=True) if kept]
        self.available = len(self._rows)

    def images(self) -> list[str | None]:
        """Return each usable line's image, as written."""
        return [self._read_line(offset, number).image for number, offset, _ in self._rows]

    def needed(self, turns: NDArray[np.int64]) -> int:
        """Return how many lines or pairs conversations of these turns take."""
        return len(turns) if self.together else int(turns.sum())

    def next(self, part: SlicePart, conversation: int) -> Line:
        """Return the next line's first pairs, or the next pairs."""
        turns = int(part.turns[conversation])
        rows = [self._rows[place] for place in self._take(1 if self.together else turns)]
        if self.together:
            number, offset, _ = rows[0]
            line = self._read(offset, number)
            return Line(line.exchanges[:turns], line.image)
        pairs = (self._read(offset, number).exchanges[pair] for number, offset, pair in rows)
        return Line(tuple(pairs), None)

    def _take(self, count: int) -> list[int]:
        assert self.available
        places = without_replacement(self._seed, "text_order", self.available, self._taken, count)
        self._taken += count
        return [int(place) for place in places]

    def _read_line(self, offset: int, number: int) -> Line:
        with self.path.open("rb") as stream:
            stream.seek(offset)
            return _line(parse_line(stream.readline(), self.path, number), self.path, number)


def _indexed(path: Path) -> list[tuple[int, int, int]]:
    """Return each line's number, offset and number of pairs."""
    found = [
        (number, offset, len(_line(value, path, number).exchanges))
        for number, offset, value in json_lines(path)
    ]
    return [row for row in found if row[2]]


def _line(value: Any, path: Path, number: int) -> Line:
    """Return a line's texts; an odd last one, which has no answer, is left out.

    Raises:
        InputError: it is not in InternVL's form.
    """
    said = value.get("conversations") if isinstance(value, dict) else None
    if not isinstance(said, list) or not all(_is_said(each) for each in said):
        raise InputError(
            f"{path}: line {number} has no list 'conversations' of texts with 'from' and 'value'; correct or "
            "remove it."
        )
    pairs = list(zip(said[::2], said[1::2], strict=False))
    if any((question["from"], answer["from"]) != ("human", "gpt") for question, answer in pairs):
        raise InputError(f"{path}: line {number} does not alternate 'human' and 'gpt'; correct or remove it.")
    image = value.get("image")
    return Line(
        tuple(Exchange(_plain(question["value"]), answer["value"]) for question, answer in pairs),
        image if isinstance(image, str) else None,
    )


def _is_said(said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("from"), str) and isinstance(said.get("value"), str)


def _plain(text: str) -> str:
    for mark in _IMAGE_MARKS:
        text = text.replace(mark, "")
    return text
