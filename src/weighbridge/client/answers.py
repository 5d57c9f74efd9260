"""Read the bytes of an answer: its text and token count, or the reason why it is a failure."""

import msgspec

from weighbridge.client.frames import RequestOutcome
from weighbridge.core.openai_api import Api

_EVIDENCE_BYTES = 2048


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A request's outcome. `text` is the answer in UTF-8, or the evidence of a failure."""

    outcome: RequestOutcome
    text: bytes
    tokens: int = 0


class _Usage(msgspec.Struct, gc=False):
    completion_tokens: int


class _Message(msgspec.Struct, gc=False):
    content: str | None = None


class _ChatChoice(msgspec.Struct, gc=False):
    message: _Message

    @property
    def content(self) -> str | None:
        return self.message.content


class _ChatDelta(msgspec.Struct, gc=False):
    delta: _Message

    @property
    def content(self) -> str | None:
        return self.delta.content


class _Text(msgspec.Struct, gc=False):
    """A choice of /v1/completions, whole or a part of a stream."""

    content: str | None = msgspec.field(name="text")


class _ChatCompletion(msgspec.Struct, gc=False):
    choices: list[_ChatChoice]
    usage: _Usage | None = None


class _ChatChunk(msgspec.Struct, gc=False):
    choices: list[_ChatDelta]
    usage: _Usage | None = None


class _TextCompletion(msgspec.Struct, gc=False):
    choices: list[_Text]
    usage: _Usage | None = None


_Whole = _ChatCompletion | _TextCompletion
_Chunk = _ChatChunk | _TextCompletion
_DECODERS: dict[Api, tuple[msgspec.json.Decoder[_Whole], msgspec.json.Decoder[_Chunk]]] = {
    Api.CHAT: (msgspec.json.Decoder(_ChatCompletion), msgspec.json.Decoder(_ChatChunk)),
    Api.COMPLETIONS: (msgspec.json.Decoder(_TextCompletion), msgspec.json.Decoder(_TextCompletion)),
}


class AnswerReader:
    """Reads the answers of one API, whole or streamed."""

    __slots__ = ("_chunk", "_whole")

    def __init__(self, api: Api) -> None:
        self._whole, self._chunk = _DECODERS[api]

    def read(self, body: bytes) -> Answer:
        """Read the JSON body of an answer that was not streamed."""
        try:
            completion = self._whole.decode(body)
            content = completion.choices[0].content
            text = None if content is None else content.encode()
        except (msgspec.DecodeError, UnicodeError, IndexError) as error:
            return Answer(RequestOutcome.MALFORMED, _evidence(error, body))
        return _judge(text, completion.usage, body)

    def stream(self) -> "EventStream":
        """Return the reader of one streamed answer."""
        return EventStream(self._chunk)


def _judge(text: bytes | None, usage: _Usage | None, body: bytes) -> Answer:
    if text is None:
        return Answer(RequestOutcome.NULL_CONTENT, body)
    if not text:
        return Answer(RequestOutcome.EMPTY, body)
    if usage is None:
        return Answer(RequestOutcome.MISSING_USAGE, body)
    return Answer(RequestOutcome.OK, text, usage.completion_tokens)


def _evidence(error: Exception, body: bytes) -> bytes:
    reason = str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__
    return f"{reason}: ".encode() + body


class EventStream:
    """A streamed answer (server-sent events), read as its pieces arrive; pieces may be cut anywhere."""

    __slots__ = ("_decoder", "_ended", "_failure", "_line", "_raw", "_text", "_usage")

    def __init__(self, decoder: msgspec.json.Decoder[_Chunk]) -> None:
        self._decoder = decoder
        self._line = b""
        self._text: list[str] = []
        self._usage: _Usage | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._raw = b""

    def feed(self, piece: bytes) -> str:
        """Read the next bytes; return the content that they complete."""
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
            chunk = self._decoder.decode(data)
        except (msgspec.DecodeError, UnicodeError) as error:
            self._failure = self._failure or error
            return ""
        if chunk.usage is not None:
            self._usage = chunk.usage
        content = (chunk.choices[0].content or "") if chunk.choices else ""
        if content:
            self._text.append(content)
        return content

    def close(self) -> Answer:
        """Return the whole answer, once the response is complete."""
        if self._failure is not None:
            return Answer(RequestOutcome.MALFORMED, _evidence(self._failure, self._raw))
        if not self._ended:
            return Answer(RequestOutcome.MALFORMED, b"the stream ended without [DONE]: " + self._raw)
        return _judge("".join(self._text).encode(), self._usage, self._raw)
