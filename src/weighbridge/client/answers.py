"""From the bytes of an answer to its text and token count, or to the reason why it is none."""

import msgspec

from weighbridge.client.frames import Kind


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A request's outcome. `text` is the answer in UTF-8, or for a failure the evidence of it."""

    kind: Kind
    text: bytes
    tokens: int = 0


class _Usage(msgspec.Struct, gc=False):
    completion_tokens: int


class _Message(msgspec.Struct, gc=False):
    content: str | None = None


class _Choice(msgspec.Struct, gc=False):
    message: _Message


class _Completion(msgspec.Struct, gc=False):
    choices: list[_Choice]
    usage: _Usage | None = None


class _ChunkChoice(msgspec.Struct, gc=False):
    delta: _Message


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_ChunkChoice]
    usage: _Usage | None = None


_decode_completion = msgspec.json.Decoder(_Completion).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode


def read_completion(body: bytes) -> Answer:
    """Read the JSON body of a chat completion."""
    try:
        completion = _decode_completion(body)
        content = completion.choices[0].message.content
        text = None if content is None else content.encode()
    except (msgspec.DecodeError, UnicodeError, IndexError) as error:
        return Answer(Kind.MALFORMED, _evidence(error, body))
    return _judge(text, completion.usage, body)


def _judge(text: bytes | None, usage: _Usage | None, body: bytes) -> Answer:
    if text is None:
        return Answer(Kind.NULL_CONTENT, body)
    if not text:
        return Answer(Kind.EMPTY, body)
    if usage is None:
        return Answer(Kind.MISSING_USAGE, body)
    return Answer(Kind.OK, text, usage.completion_tokens)


def _evidence(error: Exception, body: bytes) -> bytes:
    reason = str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__
    return f"{reason}: ".encode() + body


class EventStream:
    """A streamed chat completion, read as its pieces come in; pieces may be cut anywhere."""

    __slots__ = ("_ended", "_failure", "_line", "_raw", "_text", "_usage")

    def __init__(self) -> None:
        self._line = b""
        self._text: list[str] = []
        self._usage: _Usage | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._raw = b""

    def feed(self, piece: bytes) -> str:
        """Take the next bytes; returns the content that they complete."""
        if len(self._raw) < _EVIDENCE_BYTES:
            self._raw += piece[:_EVIDENCE_BYTES]
        *lines, self._line = (self._line + piece).split(b"\n")
        content = ""
        for line in lines:
            if line.startswith(b"data:"):
                content += self._event(line[5:].strip())
        return content

    def _event(self, data: bytes) -> str:
        if data == b"[DONE]":
            self._ended = True
            return ""
        try:
            chunk = _decode_chunk(data)
        except (msgspec.DecodeError, UnicodeError) as error:
            self._failure = self._failure or error
            return ""
        if chunk.usage is not None:
            self._usage = chunk.usage
        content = (chunk.choices[0].delta.content or "") if chunk.choices else ""
        if content:
            self._text.append(content)
        return content

    def close(self) -> Answer:
        """Judge the whole, once the response is complete."""
        if self._failure is not None:
            return Answer(Kind.MALFORMED, _evidence(self._failure, self._raw))
        if not self._ended:
            return Answer(Kind.MALFORMED, b"the stream ended without [DONE]: " + self._raw)
        return _judge("".join(self._text).encode(), self._usage, self._raw)


_EVIDENCE_BYTES = 2048
