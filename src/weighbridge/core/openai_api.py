"""The two request forms of an OpenAI-compatible server that generate text, and what its answers are."""

from enum import StrEnum


class Api(StrEnum):
    """How a request carries its prompt, and where it is sent."""

    CHAT = "chat"
    """Messages, to /v1/chat/completions."""
    COMPLETIONS = "completions"
    """A text or token ids, to /v1/completions."""

    @property
    def path(self) -> str:
        """Path below the server's base URL."""
        return "/v1/chat/completions" if self is Api.CHAT else "/v1/completions"

    @property
    def prompt_field(self) -> str:
        """Key of the request's JSON that holds the prompt."""
        return "messages" if self is Api.CHAT else "prompt"


class AnswerKind(StrEnum):
    """What of an answer is kept and scored; LoadGen gets its bytes."""

    TEXT = "text"
    """The text, in UTF-8."""
    TOKENS = "tokens"
    """The token ids as the server sends them, each a little-endian int32."""
    GENERATED = "generated"
    """The text, in UTF-8, which may be empty; reasoning counts as output. For comparisons alone."""
