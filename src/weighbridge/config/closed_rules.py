"""What the rules of a benchmark's closed division fix beyond LoadGen's settings, as data of a round."""

from enum import StrEnum

from pydantic import Field

from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.models import InsidePath, Model


class ServerFeature(StrEnum):
    """A server's reuse of work from earlier queries, which a benchmark may forbid."""

    PREFIX_CACHING = "prefix-caching"
    """Reuse of computed prompt prefixes."""
    MEDIA_CACHE = "media-cache"
    """Reuse of processed images, videos and audio."""


class TaskPart(StrEnum):
    """A part of the benchmark's task that arguments or variables of a model server can change."""

    SAMPLING = "sampling"
    """Parameters with which tokens are drawn."""
    DECODING = "decoding"
    """Drafts of tokens by another model, processing of logits: how tokens are drawn otherwise."""
    MEDIA = "media"
    """What the model sees of an image, such as its number of pixels."""
    PROMPT = "prompt"
    """The text that the model reads: chat template, tokenizer."""
    MODEL = "model"
    """Which weights and which configuration of the model are used."""


class ArtifactPin(Model):
    """The repository and revision that the rules name for an input."""

    repo: str = Field(min_length=1)
    revision: str = Field(min_length=1)
    files: dict[InsidePath, dict[str, str | float | list[str]]] = Field(
        default={},
        description="Values that JSON files of the artifact must have, by file and by dotted key. Weights of "
        "another data type may be used if they are declared; these values show that the model is the same.",
    )


class ClosedRules(Model):
    """What a result of the closed division may not change; what is not given is free."""

    model: ArtifactPin | None = None
    dataset: ArtifactPin | None = None
    requests: RequestSettings | None = Field(
        default=None, description="The only allowed values, but for 'stream', which is free."
    )
    server_must_not_change: tuple[TaskPart, ...] = Field(
        default=(), description="Parts of the task that no argument or variable of the server may change."
    )
    sources: dict[str, str] = Field(
        default={},
        description="Where the rules say it: text by name of a field here, or of a field of 'requests'.",
    )

    @property
    def are_empty(self) -> bool:
        """Whether nothing is fixed."""
        return self.model_copy(update={"sources": {}}) == ClosedRules()
