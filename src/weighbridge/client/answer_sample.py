"""A random share of a performance run's answers, kept so that they can be scored.

Which answers are kept is drawn here and while the run lasts, so that no server can know it.
"""

import math
from secrets import SystemRandom

import msgspec

from weighbridge.client.written_file import WrittenFile
from weighbridge.core.openai_api import AnswerKind

WANTED = 1000
"""Answers that a run is expected to keep; all, where it has no more."""
_MOST_BYTES = 32 << 20
_NEVER = 1 << 62


def share_of(expected: int) -> float:
    """Return the probability with which each of the expected answers is kept."""
    return min(1.0, WANTED / max(expected, 1))


class AnswerSample:
    """Draws which answers are kept, by their position, and writes them as JSON lines.

    Attributes:
        next: Position of the next answer to keep: 0 is a run's first.
    """

    def __init__(
        self,
        file: WrittenFile | None,
        share: float,
        answers: AnswerKind = AnswerKind.TEXT,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """Keep a share of the answers in a file, until it holds `most_bytes`; without a file, none."""
        self._file, self._left, self._answers = file, most_bytes, answers
        self._draw = SystemRandom().random
        self._log_missed = -math.inf if share >= 1 else math.log1p(-share)
        self.next = _NEVER if file is None else self._gap() - 1

    def _gap(self) -> int:
        """Draw the distance to the next kept answer: a geometric distribution, 1 and more."""
        return 1 + int(math.log(1.0 - self._draw()) / self._log_missed)

    def advance(self) -> None:
        """Draw the next position."""
        self.next += self._gap()

    def keep(self, sample: int, answer: bytes) -> None:
        """Write an answer.

        Raises:
            OSError: the disk is full.
        """
        if self._answers is AnswerKind.TOKENS:
            kept: dict[str, object] = {"tokens": memoryview(answer).cast("i").tolist()}
        else:
            kept = {"text": answer.decode()}
        line = msgspec.json.encode({"sample": sample, **kept}) + b"\n"
        self._left -= len(line)
        if self._file is None or self._left < 0:
            self.next = _NEVER
            return
        self._file.write(line)
