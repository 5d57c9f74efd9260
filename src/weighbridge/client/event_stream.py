"""Read a streamed answer: server-sent events, which arrive in pieces.

The events of a stream differ in little but their content. After one event was decoded, the bytes before and
after its content are known, and of an event that begins and ends with the same bytes only the content is
looked at: `take` keeps it, and `_settle` decodes all that were kept at once. All else is read by `feed`,
event by event. Both ways give the same answer. What the content is, the subclasses say: text or token ids.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from weighbridge.client.answer_forms import Decoder, Usage
from weighbridge.client.answers import (
    EVIDENCE_BYTES,
    UNREADABLE,
    Answer,
    ExpectedAnswer,
    of_another_request,
    unreadable,
)
from weighbridge.client.frames import RequestOutcome

Content = TypeVar("Content", str, bytes)

# The place of a text, up to the string's end; whether it is the one that counts shows by trying.
TEXT_PLACE = re.compile(rb'"(?:content|text)"\s*:\s*"((?:[^"\\\n]|\\.)*)"')
TRIAL = "weighbridge"
LESSONS = 8  # events without a like are decoded in full, and after some more no like is looked for

_LONGEST_CHUNK = 4096
_NO_SIZE = b"\n"  # begins no chunk
# The first line of a chunk by the length of the whole chunk, as nearly all servers write it.
_SIZE_LINES = [_NO_SIZE] * _LONGEST_CHUNK
for _size in range(1, _LONGEST_CHUNK - 16):
    _line = b"%x\r\n" % _size
    _SIZE_LINES[len(_line) + _size + 2] = _line

_strings = msgspec.json.Decoder(list[str]).decode


class EventStream(ABC, Generic[Content]):
    """A streamed answer (server-sent events), read as its pieces arrive; pieces may be cut anywhere.

    Attributes:
        chunks: Events with content, of those that were looked at.
        tail: The end of the chunk (in HTTP's sense) that `take` reads; empty: it could read none now.
    """

    __slots__ = (
        "_decoder",
        "_echoed",
        "_ended",
        "_expected",
        "_failure",
        "_finish",
        "_head",
        "_id",
        "_ids",
        "_lessons",
        "_line",
        "_middle",
        "_number",
        "_pieces",
        "_raw",
        "_tail",
        "_usage",
        "chunks",
        "tail",
    )

    nothing: Content  # what an event without content adds

    def __init__(self, expected: ExpectedAnswer, decoder: Decoder, number: int) -> None:
        """Read the answer to the request with this number."""
        self._expected, self._decoder, self._number = expected, decoder, number
        self._line = b""
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._id: str | None = ""  # of the last event; another one is looked at
        self._echoed: int | None = None
        self._ended = False
        self.chunks = 0
        self._failure: Callable[[bytes], Answer] | None = None  # the first; takes the evidence
        self._raw = b""
        # Of an event, around its content; `_middle` is between its text and its ids, where ids count.
        self._head = self._middle = self._tail = self.tail = b""
        self._pieces: list[bytes] = []  # texts of such events, in JSON, not yet looked at
        self._ids: list[bytes] = []  # their token ids, likewise
        self._lessons = LESSONS

    def take(self, data: bytes) -> int:
        """Take the chunks at the start of `data` that are like the one before but for their content.

        Args:
            data: What a connection received, from the start of a chunk of the response.

        Returns:
            The length of the chunks that were taken; each had content. The rest is for the HTTP parser.
        """
        tail, head, length = self.tail, self._head, len(data)
        # One chunk, as usual.
        line = _SIZE_LINES[length] if length < _LONGEST_CHUNK else _NO_SIZE
        start = len(line)
        if data.startswith(line) and data.startswith(head, start) and data.endswith(tail):
            piece = data[start + len(head) : -len(tail)]
            if self._middle:
                return length if self._keep_ids(piece) else 0
            if piece:
                self._pieces.append(piece)
                return length
            return 0
        size, taken = len(tail), 0
        parts = data.split(tail)
        del parts[-1]
        for part in parts:
            length = len(part) + size
            line = _SIZE_LINES[length] if length < _LONGEST_CHUNK else _NO_SIZE
            start = len(line)
            piece = part[start + len(head) :]
            if not (piece and part.startswith(line) and part.startswith(head, start)):
                break
            if not self._middle:
                self._pieces.append(piece)
            elif not self._keep_ids(piece):
                break
            taken += length
        return taken

    def _keep_ids(self, piece: bytes) -> bool:
        """Keep what is between the head and the tail of an event of token ids; False: it is another event."""
        text, _, ids = piece.partition(self._middle)
        if not ids:
            return False
        self._pieces.append(text)
        self._ids.append(ids)
        return True

    def feed(self, piece: bytes) -> Content:
        """Read the next bytes of the response's body; return the content that they complete."""
        if self._pieces:
            self._settle()
        whole = not self._line
        content = self._read(piece)
        if self._line or self._ended:
            self.tail = b""
        else:
            if content and whole and self._lessons and len(piece) < _LONGEST_CHUNK:
                self._lessons -= 1
                self._learn(piece)
            self.tail = self._tail
        return content

    def _read(self, piece: bytes) -> Content:
        if len(self._raw) < EVIDENCE_BYTES:
            self._raw += piece[:EVIDENCE_BYTES]
        *lines, self._line = (self._line + piece).split(b"\n")
        content = self.nothing
        for line in lines:
            if line.startswith(b"data:"):
                added = self._event(line[5:].strip())
                if added:
                    content += added
                    self.chunks += 1
        return content

    def _event(self, data: bytes) -> Content:
        if self._ended:
            self._fail(_after_the_end)
            return self.nothing
        if data == b"[DONE]":
            self._ended = True
            return self.nothing
        try:
            chunk = self._decoder.decode(data)
        except UNREADABLE as error:
            self._fail(partial(unreadable, error))
            return self.nothing
        if chunk.model != self._expected.model:
            self._fail(partial(self._expected.of_another_model, chunk.model))
        if chunk.id != self._id:
            self._note_id(chunk.id)
        if chunk.usage is not None:
            self._usage = chunk.usage
        if not chunk.choices:
            return self.nothing
        choice = chunk.choices[0]
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason
        return self._take_content(choice)

    def _note_id(self, answer_id: str | None) -> None:
        """Note the id of an event: all events of a stream must be of one request."""
        echoed = self._expected.echoed(answer_id, self._number)
        if echoed < 0 or echoed != (self._echoed if self._echoed is not None else echoed):
            self._fail(partial(of_another_request, answer_id))
        self._id, self._echoed = answer_id, echoed

    def _fail(self, failure: Callable[[bytes], Answer]) -> None:
        self._failure = self._failure or failure

    @abstractmethod
    def _take_content(self, choice: Any) -> Content:
        """Add the content of an event's choice to the answer, and return it."""

    @abstractmethod
    def _learn(self, piece: bytes) -> None:
        """Find the content in bytes that are one whole event, or with other lines around it.

        Another content is tried in its place. If it is then read, and nothing else of the event matters,
        all that can stand in this place is read as the content: what comes before the place decides that. The
        model and the id were looked at: if they were wrong, the stream has failed.
        """

    def _choice_alone(self, piece: bytes) -> Any:
        """Return the choice of these bytes if it is all that they add to the answer; else None."""
        events = [line for line in piece.split(b"\n") if line.startswith(b"data:")]
        if len(events) != 1:
            return None
        try:
            chunk = self._decoder.decode(events[0][5:].strip())
            choice = chunk.choices[0]
        except UNREADABLE:
            return None
        return choice if choice.finish_reason is None and chunk.usage is None else None

    def _settle(self) -> None:
        """Read the contents that were kept: together if each is in its form, else one event after another."""
        texts, self._pieces = self._pieces, []
        ids, self._ids = self._ids, []
        head, middle, tail = self._head, self._middle, self._tail[:-2]
        if len(texts) >= LESSONS:
            self._lessons = LESSONS
        pieces = map(middle.join, zip(texts, ids, strict=True)) if ids else iter(texts)
        if not self._add(texts, ids):
            for piece in pieces:
                self._read(head + piece + tail)
            return
        for piece in pieces:
            if len(self._raw) >= EVIDENCE_BYTES:
                break
            self._raw += head + piece + tail

    @abstractmethod
    def _add(self, texts: list[bytes], ids: list[bytes]) -> bool:
        """Add and count contents in JSON; False: one of them is not in its form, and none is added."""

    def close(self) -> Answer:
        """Return the whole answer, once the response is complete."""
        if self._pieces:
            self._settle()
        raw = self._raw[:EVIDENCE_BYTES]
        if self._failure is not None:
            return self._failure(raw)
        if not self._ended:
            return Answer(RequestOutcome.MALFORMED, b"the stream ended without [DONE]: " + raw)
        return self._judged(self._finish, self._usage, self._echoed or 0, raw)

    @abstractmethod
    def _judged(self, finish: str | None, usage: Usage | None, echoed: int, raw: bytes) -> Answer:
        """Return the answer of all contents that were added."""


def strings_of(pieces: list[bytes]) -> list[str] | None:
    """Return the texts of JSON strings without their quotation marks; None: one of them is none.

    The array has as many elements as there are pieces only if none has a quotation mark of its own, as long
    as none ends with a backslash, which would take away the mark behind it.
    """
    array = b'["%b"]' % b'","'.join(pieces)
    if b'\\","' in array or array.endswith(b'\\"]'):
        return None
    try:
        texts = _strings(array)
    except UNREADABLE:
        return None
    return texts if len(texts) == len(pieces) else None


def _after_the_end(body: bytes) -> Answer:
    return Answer(RequestOutcome.MALFORMED, b"the stream went on after [DONE]: " + body)
