"""A streamed answer of which the amount counts: of text and of reasoning, which is no part of its text."""

import re

from weighbridge.client.answer_forms import Decoder, GeneratedChoice, Usage
from weighbridge.client.answers import Answer, ExpectedAnswer, judge_generated
from weighbridge.client.event_stream import TRIAL, EventStream, strings_of

_PLACE = re.compile(rb'"(?:content|text|reasoning_content|reasoning)"\s*:\s*"((?:[^"\\\n]|\\.)*)"')


class GeneratedStream(EventStream[str]):
    """A streamed answer whose content is text or reasoning."""

    __slots__ = ("_last", "_text", "_thinks")

    nothing = ""

    def __init__(self, expected: ExpectedAnswer, decoder: Decoder, number: int) -> None:
        """Read the answer to the request with this number."""
        super().__init__(expected, decoder, number)
        self._text: list[str] = []
        self._last = ""  # the content of the last event that was read in full
        self._thinks = False  # whether the events that are taken are of reasoning

    def _take_content(self, choice: GeneratedChoice) -> str:
        content, thoughts = choice.content or "", choice.thoughts or ""
        if content:
            self._text.append(content)
        self._last = content or thoughts
        return self._last

    def _learn(self, piece: bytes) -> None:
        if self._last == TRIAL:
            return
        for found in _PLACE.finditer(piece):
            head, tail = piece[: found.start(1)], piece[found.end(1) :]
            choice = self._choice_alone(head + TRIAL.encode() + tail)
            if choice is None:
                continue
            content, thoughts = choice.content or "", choice.thoughts or ""
            # The place of this event's content, not an empty one beside it.
            if found.group(1) and TRIAL in (content, thoughts) and not (content and thoughts):
                self._head, self._tail, self._thinks = head, tail + b"\r\n", not content
                return

    def _add(self, texts: list[bytes], ids: list[bytes]) -> bool:  # noqa: ARG002 - there are none
        found = strings_of(texts)
        if found is None:
            return False
        self.chunks += len(found)
        if not self._thinks:
            self._text += found
        return True

    def _judged(self, finish: str | None, usage: Usage | None, echoed: int, raw: bytes) -> Answer:
        return judge_generated("".join(self._text), finish, usage, echoed, raw, self.chunks)
