"""Conversations whose later turns repeat the server's own answers: kept here until the conversation ends."""

import msgspec

from weighbridge.client.conversation_schedule import TURN_BITS
from weighbridge.core.errors import InputError
from weighbridge.requests.holes import Holes


class LiveHistory:
    """The answers that later turns of running conversations need, JSON-escaped, without quotation marks."""

    def __init__(self, holes: Holes) -> None:
        """Keep what goes into these holes."""
        self._holes = holes
        self._needed = {holes[index].answered for index in range(len(holes))}
        self._answers: dict[int, dict[int, bytes]] = {}  # by conversation and request

    def __len__(self) -> int:
        """Return how many conversations have answers here."""
        return len(self._answers)

    def before(self, number: int, index: int, body: memoryview, start: int) -> tuple[bytes, int]:
        """Return a body's bytes from `start` to its last hole, with the answers in them, and where that is.

        Args:
            number: The driver's id of the request.
            index: Its place in the store.
            body: As it is stored.
            start: What comes before is not sent.

        Raises:
            InputError: an answer is missing that an earlier turn should have left here.
        """
        answers = self._answers.get(number >> TURN_BITS, {})
        parts: list[bytes | memoryview] = []
        for hole in self._holes.of(index):
            if hole.answered not in answers:
                raise InputError(
                    f"request {index} repeats the answer to request {hole.answered}, which is no earlier "
                    "turn of its conversation; build the requests again."
                )
            parts += [body[start : hole.position], answers[hole.answered]]
            start = hole.position
        return b"".join(parts), start

    def ended(self, number: int, index: int, text: bytes | None) -> None:
        """Keep the text of an answer, if a later turn needs it; with any other, the conversation is over.

        Args:
            number: The driver's id of the request.
            index: Its place in the store.
            text: In UTF-8; None: the request failed, and no turn follows.
        """
        conversation = number >> TURN_BITS
        if text is None or index not in self._needed:
            self._answers.pop(conversation, None)
            return
        escaped = msgspec.json.encode(text.decode())[1:-1]
        self._answers.setdefault(conversation, {})[index] = escaped
