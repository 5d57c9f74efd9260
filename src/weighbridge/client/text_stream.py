"""A streamed answer that is a text."""

from weighbridge.client.answer_forms import Decoder, TextChoice, Usage
from weighbridge.client.answers import Answer, ExpectedAnswer, judge
from weighbridge.client.event_stream import TEXT_PLACE, TRIAL, EventStream, strings_of


class TextStream(EventStream[str]):
    """A streamed answer whose content is text."""

    __slots__ = ("_text",)

    nothing = ""

    def __init__(self, expected: ExpectedAnswer, decoder: Decoder, number: int) -> None:
        """Read the answer to the request with this number."""
        super().__init__(expected, decoder, number)
        self._text: list[str] = []

    def _take_content(self, choice: TextChoice) -> str:
        content = choice.content or ""
        if content:
            self._text.append(content)
        return content

    def _learn(self, piece: bytes) -> None:
        if self._text[-1] == TRIAL:
            return
        for found in TEXT_PLACE.finditer(piece):
            head, tail = piece[: found.start(1)], piece[found.end(1) :]
            choice = self._choice_alone(head + TRIAL.encode() + tail)
            if choice is not None and choice.content == TRIAL:
                self._head, self._tail = head, tail + b"\r\n"
                return

    def _add(self, texts: list[bytes], ids: list[bytes]) -> bool:  # noqa: ARG002 - there are none
        found = strings_of(texts)
        if found is None:
            return False
        self._text += found
        self.chunks += len(found)
        return True

    def _judged(self, finish: str | None, usage: Usage | None, echoed: int, raw: bytes) -> Answer:
        return judge("".join(self._text), finish, usage, echoed, raw, self.chunks)
