"""What servers say of an answer, as JSON: whole, or as the events of a stream."""

from typing import Annotated, Any, Generic, TypeVar

import msgspec

from weighbridge.core.openai_api import AnswerKind, Api

TokenId = Annotated[int, msgspec.Meta(ge=0, le=(1 << 31) - 1)]
"""A token id that an int32 holds."""


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


# With `return_token_ids`, a choice has the ids beside its text: all of them, or those of this event.


class _ChatChoiceOfTokens(_ChatChoice, gc=False):
    token_ids: list[TokenId] | None = None


class _ChatDeltaOfTokens(_ChatDelta, gc=False):
    token_ids: list[TokenId] | None = None


class _TextOfTokens(_Text, gc=False):
    token_ids: list[TokenId] | None = None


TextChoice = _ChatChoice | _ChatDelta | _Text
TokenChoice = _ChatChoiceOfTokens | _ChatDeltaOfTokens | _TextOfTokens
Choice = TypeVar("Choice", bound=TextChoice)


class Completion(msgspec.Struct, Generic[Choice], gc=False):
    """A whole answer, or an event of a stream."""

    choices: list[Choice]
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


Decoder = msgspec.json.Decoder[Completion[Any]]
_CHOICES: dict[tuple[Api, AnswerKind], tuple[type[TextChoice], type[TextChoice]]] = {
    (Api.CHAT, AnswerKind.TEXT): (_ChatChoice, _ChatDelta),
    (Api.CHAT, AnswerKind.TOKENS): (_ChatChoiceOfTokens, _ChatDeltaOfTokens),
    (Api.COMPLETIONS, AnswerKind.TEXT): (_Text, _Text),
    (Api.COMPLETIONS, AnswerKind.TOKENS): (_TextOfTokens, _TextOfTokens),
}


def decoders(api: Api, answers: AnswerKind) -> tuple[Decoder, Decoder]:
    """Return the decoders of a whole answer and of a stream's event; choices are Text- or TokenChoices."""
    whole, chunk = _CHOICES[api, answers]
    return _decoder(whole), _decoder(chunk)


def _decoder(choice: type[TextChoice]) -> Decoder:
    return msgspec.json.Decoder(Completion[choice])  # type: ignore[valid-type]
