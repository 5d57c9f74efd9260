"""What servers say of an answer, as JSON: whole, or as the events of a stream."""

import msgspec

from weighbridge.core.openai_api import Api


class Usage(msgspec.Struct, gc=False):
    """The token counts of an answer."""

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
    usage: Usage | None = None


class _ChatChunk(msgspec.Struct, gc=False):
    choices: list[_ChatDelta]
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


class _TextCompletion(msgspec.Struct, gc=False):
    choices: list[_Text]
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


Whole = _ChatCompletion | _TextCompletion
Chunk = _ChatChunk | _TextCompletion
DECODERS: dict[Api, tuple[msgspec.json.Decoder[Whole], msgspec.json.Decoder[Chunk]]] = {
    Api.CHAT: (msgspec.json.Decoder(_ChatCompletion), msgspec.json.Decoder(_ChatChunk)),
    Api.COMPLETIONS: (msgspec.json.Decoder(_TextCompletion), msgspec.json.Decoder(_TextCompletion)),
}
