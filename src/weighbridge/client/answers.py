"""Read the bytes of an answer: its text and token counts, or the reason why it is a failure.

An answer counts only if it is from the model that was asked for, is no other request's, has text, and says
how many tokens that text is. Whatever the bytes are, they give an `Answer`, never an exception.
"""

from collections.abc import Callable
from functools import partial

import msgspec

from weighbridge.client.frames import FinishReason, RequestOutcome
from weighbridge.core.openai_api import Api

_EVIDENCE_BYTES = 2048
_NAME_CHARACTERS = 200  # of a model or an id, in the evidence of a failure
_MOST_TOKENS = (1 << 31) - 1  # of a RECORD's signed 32-bit field
# Python 3.11 looks a member of an Enum up in 1,500 instructions; once for all is enough.
_OK, _OTHER = RequestOutcome.OK, FinishReason.OTHER
_FINISHES = {None: FinishReason.NOT_TOLD, "stop": FinishReason.STOP, "length": FinishReason.LENGTH}
# What decoding and encoding raise: no JSON or of another form, no UTF-8, nested too deep, no choice.
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError, IndexError)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A request's outcome. `text` is the answer in UTF-8, or the evidence of a failure.

    The other fields are those of `Record`; a failure has them at 0.
    """

    outcome: RequestOutcome
    text: bytes
    tokens: int = 0
    prompt_tokens: int = 0
    finish: FinishReason = FinishReason.NOT_TOLD
    id_echoed: int = 0


class _Usage(msgspec.Struct, gc=False):
    completion_tokens: int
    prompt_tokens: int = 0


class _Message(msgspec.Struct, gc=False):
    content: str | None = None


class _ChatChoice(msgspec.Struct, gc=False):
    message: _Message
    finish_reason: str | None = None

    @property
    def content(self) -> str | None:
        return self.message.content


class _ChatDelta(msgspec.Struct, gc=False):
    delta: _Message
    finish_reason: str | None = None

    @property
    def content(self) -> str | None:
        return self.delta.content


class _Text(msgspec.Struct, gc=False):
    """A choice of /v1/completions, whole or a part of a stream."""

    content: str | None = msgspec.field(name="text")
    finish_reason: str | None = None


class _ChatCompletion(msgspec.Struct, gc=False):
    choices: list[_ChatChoice]
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None


class _ChatChunk(msgspec.Struct, gc=False):
    choices: list[_ChatDelta]
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None


class _TextCompletion(msgspec.Struct, gc=False):
    choices: list[_Text]
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None


_Whole = _ChatCompletion | _TextCompletion
_Chunk = _ChatChunk | _TextCompletion
_DECODERS: dict[Api, tuple[msgspec.json.Decoder[_Whole], msgspec.json.Decoder[_Chunk]]] = {
    Api.CHAT: (msgspec.json.Decoder(_ChatCompletion), msgspec.json.Decoder(_ChatChunk)),
    Api.COMPLETIONS: (msgspec.json.Decoder(_TextCompletion), msgspec.json.Decoder(_TextCompletion)),
}


class AnswerReader:
    """Reads the answers of one API and one model, whole or streamed."""

    __slots__ = ("_chunk", "_model", "_nonce", "_own", "_whole")

    def __init__(self, api: Api, model: str, nonce: str) -> None:
        """Prepare to read.

        Args:
            api: The kind of request.
            model: The name that the requests ask for.
            nonce: What the ids of this run's requests start with; no other run's do.
        """
        self._whole, self._chunk = _DECODERS[api]
        self._model, self._nonce = model, nonce
        # vLLM's form of the ids of this run's answers, which are compared whole; others are searched.
        self._own = ("chatcmpl-" if api is Api.CHAT else "cmpl-") + nonce

    def read(self, body: bytes, number: int) -> Answer:
        """Read the JSON body of an answer that was not streamed, to the request with this number."""
        try:
            completion = self._whole.decode(body)
            choice = completion.choices[0]
        except _UNREADABLE as error:
            return unreadable(error, body)
        if completion.model != self._model:
            return self.of_another_model(completion.model, body)
        # The usual case is compared here: a call costs as much as the comparison.
        echoed = 1 if completion.id == f"{self._own}{number}z" else self.echoed(completion.id, number)
        if echoed < 0:
            return of_another_request(completion.id, body)
        return _judge(choice.content, choice.finish_reason, completion.usage, echoed, body)

    def stream(self, number: int) -> "EventStream":
        """Return the reader of one streamed answer, to the request with this number."""
        return EventStream(self, self._chunk, self._model, number)

    def echoed(self, answer_id: str | None, number: int) -> int:
        """Return 1 if an answer's id is that of its request, 0 if it is the server's own, -1 if another's."""
        if answer_id is None or self._nonce not in answer_id:
            return 0
        return 1 if f"{self._nonce}{number}z" in answer_id else -1

    def of_another_model(self, name: str | None, body: bytes) -> Answer:
        """Return the failure of an answer by another model, or by none (OpenAI's API always names it)."""
        by = "names no model" if name is None else f"is by the model {name[:_NAME_CHARACTERS]!r}"
        reason = f"the answer {by}, asked for was {self._model!r}: "
        return Answer(RequestOutcome.OTHER_MODEL, reason.encode(errors="replace") + body)


def unreadable(error: Exception, body: bytes) -> Answer:
    """Return the failure of an answer that cannot be decoded."""
    reason = str(error) if isinstance(error, msgspec.DecodeError | RecursionError) else type(error).__name__
    return Answer(RequestOutcome.MALFORMED, f"{reason}: ".encode() + body)


def of_another_request(answer_id: str | None, body: bytes) -> Answer:
    """Return the failure of an answer whose id is another request's."""
    reason = f"the answer's id {(answer_id or '')[:_NAME_CHARACTERS]!r} is that of another request: "
    return Answer(RequestOutcome.OTHER_REQUEST, reason.encode(errors="replace") + body)


def _judge(content: str | None, finish: str | None, usage: _Usage | None, echoed: int, body: bytes) -> Answer:
    if content is None:
        return Answer(RequestOutcome.NULL_CONTENT, body)
    if not content:
        return Answer(RequestOutcome.EMPTY, body)
    if content.isspace():
        return Answer(RequestOutcome.BLANK, body)
    if usage is None:
        return Answer(RequestOutcome.MISSING_USAGE, body)
    tokens, prompt_tokens = usage.completion_tokens, usage.prompt_tokens
    if not (1 <= tokens <= _MOST_TOKENS and 0 <= prompt_tokens <= _MOST_TOKENS):
        counts = f"{str(tokens)[:24]} tokens, {str(prompt_tokens)[:24]} of the prompt, are impossible: "
        return Answer(RequestOutcome.IMPOSSIBLE_USAGE, counts.encode() + body)
    try:
        text = content.encode()
    except UnicodeError as error:  # half of a surrogate pair
        return unreadable(error, body)
    return Answer(_OK, text, tokens, prompt_tokens, _FINISHES.get(finish, _OTHER), echoed)


class EventStream:
    """A streamed answer (server-sent events), read as its pieces arrive; pieces may be cut anywhere."""

    __slots__ = (
        "_decoder",
        "_echoed",
        "_ended",
        "_failure",
        "_finish",
        "_id",
        "_line",
        "_model",
        "_number",
        "_raw",
        "_reader",
        "_text",
        "_usage",
    )

    def __init__(
        self, reader: AnswerReader, decoder: msgspec.json.Decoder[_Chunk], model: str, number: int
    ) -> None:
        self._reader, self._decoder, self._model, self._number = reader, decoder, model, number
        self._line = b""
        self._text: list[str] = []
        self._finish: str | None = None
        self._usage: _Usage | None = None
        self._id: str | None = ""  # of the last event; another one is looked at
        self._echoed: int | None = None
        self._ended = False
        self._failure: Callable[[bytes], Answer] | None = None  # the first; takes the evidence
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
        if self._ended:
            self._fail(_after_the_end)
            return ""
        if data == b"[DONE]":
            self._ended = True
            return ""
        try:
            chunk = self._decoder.decode(data)
        except _UNREADABLE as error:
            self._fail(partial(unreadable, error))
            return ""
        if chunk.model != self._model:
            self._fail(partial(self._reader.of_another_model, chunk.model))
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
        echoed = self._reader.echoed(answer_id, self._number)
        if echoed < 0 or echoed != (self._echoed if self._echoed is not None else echoed):
            self._fail(partial(of_another_request, answer_id))
        self._id, self._echoed = answer_id, echoed

    def _fail(self, failure: Callable[[bytes], Answer]) -> None:
        self._failure = self._failure or failure

    def close(self) -> Answer:
        """Return the whole answer, once the response is complete."""
        if self._failure is not None:
            return self._failure(self._raw)
        if not self._ended:
            return Answer(RequestOutcome.MALFORMED, b"the stream ended without [DONE]: " + self._raw)
        return _judge("".join(self._text), self._finish, self._usage, self._echoed or 0, self._raw)


def _after_the_end(body: bytes) -> Answer:
    return Answer(RequestOutcome.MALFORMED, b"the stream went on after [DONE]: " + body)
