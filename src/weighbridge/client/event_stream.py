"""Read a streamed answer: server-sent events, which arrive in pieces.

The events of a stream differ in little but their content. After one event was decoded, the bytes before and
after its content are known, and of an event that begins and ends with the same bytes only the content is
looked at: `take` keeps it, and `_settle` decodes all that were kept at once. All else is read by `feed`,
event by event. Both ways give the same answer.
"""

import re
from collections.abc import Callable
from functools import partial

import msgspec

from weighbridge.client.answer_forms import Chunk, Usage
from weighbridge.client.answers import (
    EVIDENCE_BYTES,
    UNREADABLE,
    Answer,
    ExpectedAnswer,
    judge,
    of_another_request,
    unreadable,
)
from weighbridge.client.frames import RequestOutcome

# The place of a content, up to the string's end; whether it is the one that counts shows by trying.
_CONTENT = re.compile(rb'"(?:content|text)"\s*:\s*"((?:[^"\\\n]|\\.)*)"')
_TRIAL = "weighbridge"
_LESSONS = 8  # events without a like are decoded in full, and after some more no like is looked for

_LONGEST_CHUNK = 4096
_NO_SIZE = b"\n"  # begins no chunk
# The first line of a chunk by the length of the whole chunk, as nearly all servers write it.
_SIZE_LINES = [_NO_SIZE] * _LONGEST_CHUNK
for _size in range(1, _LONGEST_CHUNK - 16):
    _line = b"%x\r\n" % _size
    _SIZE_LINES[len(_line) + _size + 2] = _line

_strings = msgspec.json.Decoder(list[str]).decode


class EventStream:
    """A streamed answer (server-sent events), read as its pieces arrive; pieces may be cut anywhere.

    Attributes:
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
        "_lessons",
        "_line",
        "_number",
        "_pieces",
        "_raw",
        "_tail",
        "_text",
        "_usage",
        "tail",
    )

    def __init__(self, expected: ExpectedAnswer, decoder: msgspec.json.Decoder[Chunk], number: int) -> None:
        """Read the answer to the request with this number."""
        self._expected, self._decoder, self._number = expected, decoder, number
        self._line = b""
        self._text: list[str] = []
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._id: str | None = ""  # of the last event; another one is looked at
        self._echoed: int | None = None
        self._ended = False
        self._failure: Callable[[bytes], Answer] | None = None  # the first; takes the evidence
        self._raw = b""
        self._head = self._tail = self.tail = b""  # of an event, around its content
        self._pieces: list[bytes] = []  # contents of such events, in JSON, not yet looked at
        self._lessons = _LESSONS

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
            self._pieces.append(piece)
            taken += length
        return taken

    def feed(self, piece: bytes) -> str:
        """Read the next bytes of the response's body; return the content that they complete."""
        if self._pieces:
            self._settle()
        whole = not self._line
        content = self._read(piece)
        if self._line or self._ended:
            self.tail = b""
        else:
            if content and whole and self._lessons:
                self._learn(piece, content)
            self.tail = self._tail
        return content

    def _read(self, piece: bytes) -> str:
        if len(self._raw) < EVIDENCE_BYTES:
            self._raw += piece[:EVIDENCE_BYTES]
        *lines, self._line = (self._line + piece).split(b"\n")
        content = ""
        for line in lines:
            if line.startswith(b"data:"):
                content += self._event(line[5:].strip())
        return content

    def _event(self, data: bytes) -> str:
        if self._ended:
            self._fail(_after_the_end)
            return ""
        if data == b"[DONE]":
            self._ended = True
            return ""
        try:
            chunk = self._decoder.decode(data)
        except UNREADABLE as error:
            self._fail(partial(unreadable, error))
            return ""
        if chunk.model != self._expected.model:
            self._fail(partial(self._expected.of_another_model, chunk.model))
        if chunk.id != self._id:
            self._note_id(chunk.id)
        if chunk.usage is not None:
            self._usage = chunk.usage
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason
        content = choice.content or ""
        if content:
            self._text.append(content)
        return content

    def _note_id(self, answer_id: str | None) -> None:
        """Note the id of an event: all events of a stream must be of one request."""
        echoed = self._expected.echoed(answer_id, self._number)
        if echoed < 0 or echoed != (self._echoed if self._echoed is not None else echoed):
            self._fail(partial(of_another_request, answer_id))
        self._id, self._echoed = answer_id, echoed

    def _fail(self, failure: Callable[[bytes], Answer]) -> None:
        self._failure = self._failure or failure

    def _learn(self, piece: bytes, content: str) -> None:
        """Find the content in bytes that are one whole event, or with other lines around it.

        Another content is tried in its place. If it is then read, and nothing else of the event matters,
        every JSON string in this place is read as the content: what comes before the place decides that. The
        model and the id were looked at: if they were wrong, the stream has failed.
        """
        self._lessons -= 1
        if content == _TRIAL:
            return
        for found in _CONTENT.finditer(piece):
            head, tail = piece[: found.start(1)], piece[found.end(1) :]
            if self._only_content(head + _TRIAL.encode() + tail):
                self._head, self._tail = head, tail + b"\r\n"
                return

    def _only_content(self, piece: bytes) -> bool:
        """Return whether `_TRIAL` is the content of these bytes, and all that they add to the answer."""
        events = [line for line in piece.split(b"\n") if line.startswith(b"data:")]
        if len(events) != 1:
            return False
        try:
            chunk = self._decoder.decode(events[0][5:].strip())
            choice = chunk.choices[0]
        except UNREADABLE:
            return False
        return choice.content == _TRIAL and choice.finish_reason is None and chunk.usage is None

    def _settle(self) -> None:
        """Read the contents that were kept: together if each is a JSON string, else one event after another.

        The array has as many elements as there are pieces only if none has a quotation mark of its own, as
        long as none ends with a backslash, which would take away the mark behind it.
        """
        pieces, self._pieces = self._pieces, []
        head, tail = self._head, self._tail[:-2]
        if len(pieces) >= _LESSONS:
            self._lessons = _LESSONS
        array = b'["%b"]' % b'","'.join(pieces)
        if b'\\","' not in array and not array.endswith(b'\\"]'):
            try:
                texts = _strings(array)
            except UNREADABLE:
                texts = []
            if len(texts) == len(pieces):
                self._text += texts
                for piece in pieces:
                    if len(self._raw) >= EVIDENCE_BYTES:
                        break
                    self._raw += head + piece + tail
                return
        for piece in pieces:
            self._read(head + piece + tail)

    def close(self) -> Answer:
        """Return the whole answer, once the response is complete."""
        if self._pieces:
            self._settle()
        raw = self._raw[:EVIDENCE_BYTES]
        if self._failure is not None:
            return self._failure(raw)
        if not self._ended:
            return Answer(RequestOutcome.MALFORMED, b"the stream ended without [DONE]: " + raw)
        return judge("".join(self._text), self._finish, self._usage, self._echoed or 0, raw)


def _after_the_end(body: bytes) -> Answer:
    return Answer(RequestOutcome.MALFORMED, b"the stream went on after [DONE]: " + body)
