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


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class DetailedUsage(Usage, gc=False):
    """The token counts of an answer, and what of its prompt came from a cache."""

    prompt_tokens_details: _PromptDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt that came from a cache; -1: not told."""
        details = self.prompt_tokens_details
        found = None if details is None else details.cached_tokens
        return -1 if found is None or not 0 <= found <= self.prompt_tokens else found


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


# Where reasoning counts: servers name it in two ways, and leave the content null or empty meanwhile.


class _Thoughts(_Message, gc=False):
    reasoning_content: str | None = None
    reasoning: str | None = None


class _ChatChoiceOfThoughts(msgspec.Struct, gc=False):
    message: _Thoughts
    finish_reason: str | None = None

    @property
    def content(self) -> str | None:
        return self.message.content

    @property
    def thoughts(self) -> str | None:
        return self.message.reasoning_content or self.message.reasoning


class _ChatDeltaOfThoughts(msgspec.Struct, gc=False):
    delta: _Thoughts
    finish_reason: str | None = None

    @property
    def content(self) -> str | None:
        return self.delta.content

    @property
    def thoughts(self) -> str | None:
        return self.delta.reasoning_content or self.delta.reasoning


class _TextOfThoughts(_Text, gc=False):
    @property
    def thoughts(self) -> str | None:
        return None


TextChoice = _ChatChoice | _ChatDelta | _Text
TokenChoice = _ChatChoiceOfTokens | _ChatDeltaOfTokens | _TextOfTokens
GeneratedChoice = _ChatChoiceOfThoughts | _ChatDeltaOfThoughts | _TextOfThoughts
Choice = TypeVar("Choice", bound=TextChoice | GeneratedChoice)


class Completion(msgspec.Struct, Generic[Choice], gc=False):
    """A whole answer, or an event of a stream."""

    choices: list[Choice]
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


class DetailedCompletion(Completion[Choice], Generic[Choice], gc=False):
    """A whole answer, or an event of a stream, with detailed counts."""

    usage: DetailedUsage | None = None


Decoder = msgspec.json.Decoder[Completion[Any]]
_Choices = type[TextChoice | GeneratedChoice]
_CHOICES: dict[tuple[Api, AnswerKind], tuple[_Choices, _Choices]] = {
    (Api.CHAT, AnswerKind.TEXT): (_ChatChoice, _ChatDelta),
    (Api.CHAT, AnswerKind.TOKENS): (_ChatChoiceOfTokens, _ChatDeltaOfTokens),
    (Api.COMPLETIONS, AnswerKind.TEXT): (_Text, _Text),
    (Api.COMPLETIONS, AnswerKind.TOKENS): (_TextOfTokens, _TextOfTokens),
    (Api.CHAT, AnswerKind.GENERATED): (_ChatChoiceOfThoughts, _ChatDeltaOfThoughts),
    (Api.COMPLETIONS, AnswerKind.GENERATED): (_TextOfThoughts, _TextOfThoughts),
}


def decoders(api: Api, answers: AnswerKind) -> tuple[Decoder, Decoder]:
    """Return the decoders of a whole answer and of a stream's event.

    Choices are Text-, Token- or GeneratedChoices. GENERATED answers have DetailedUsage.
    """
    detailed = answers is AnswerKind.GENERATED
    whole, chunk = _CHOICES[api, answers]
    return _decoder(whole, detailed), _decoder(chunk, detailed)


def _decoder(choice: _Choices, detailed: bool) -> Decoder:
    form: type[Completion[Any]] = DetailedCompletion if detailed else Completion
    return msgspec.json.Decoder(form[choice])  # type: ignore[index]
