"""A workload: what conversations are made of, drawn once and the same for all systems."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from weighbridge.config.distributions import Distribution, with_short_form
from weighbridge.config.request_settings import Sampling
from weighbridge.config.server_settings import ProjectPath
from weighbridge.core.models import FolderName, Model
from weighbridge.core.openai_api import Api

Share = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(gt=0)]


class ForceLength(StrEnum):
    """How a request asks for exactly `output_tokens` tokens; whether a server honours it is checked."""

    IGNORE_EOS = "ignore_eos"
    MIN_TOKENS = "min_tokens"
    BOTH = "both"
    NONE = "none"

    def fields(self, tokens: int) -> dict[str, int | bool]:
        """Return the fields that ask for so many tokens, in the order in which requests carry them."""
        fields: dict[str, int | bool] = {}
        if self in (ForceLength.MIN_TOKENS, ForceLength.BOTH):
            fields["min_tokens"] = tokens
        if self in (ForceLength.IGNORE_EOS, ForceLength.BOTH):
            fields["ignore_eos"] = True
        return fields


class ImageSource(Model):
    """Where images come from."""

    kind: Literal["folder", "synthetic"] = Field(
        description="A folder of yours, or made images, which no cache can know."
    )
    path: ProjectPath | None = Field(default=None, description="Folder, searched for .jpg, .jpeg and .png.")
    max_pixels: int | None = Field(default=None, gt=0, description="Larger images of a folder are left out.")
    order: Literal["shuffled", "sorted"] = Field(
        default="shuffled", description="Of a folder's images: shuffled by the seed, or by path."
    )
    pixels: Distribution = Field(
        default=Distribution(const=262_144), description="Synthetic: width times height."
    )
    aspect: Distribution = Field(default=Distribution(const=1.0), description="Synthetic: width by height.")
    jpeg_quality: int = Field(
        default=85,
        ge=1,
        le=100,
        description="Synthetic: quality of the JPEG; a lower one makes smaller requests.",
    )

    @model_validator(mode="after")
    def _has_a_path(self) -> Self:
        if (self.kind == "folder") != (self.path is not None):
            raise ValueError("'path' belongs to kind 'folder', and to it alone")
        return self


class TextSource(Model):
    """Where questions, and recorded answers, come from."""

    kind: Literal["internvl-jsonl", "synthetic"] = Field(description="Questions of yours, or made-up words.")
    path: ProjectPath | None = Field(default=None, description="JSON lines in InternVL's form.")
    pairing: Literal["same-conversation", "independent"] = Field(
        default="same-conversation",
        description="The turns of a conversation are those of one line, with its image, or unrelated.",
    )
    tokens: Distribution = Field(
        default=Distribution(const=60),
        description="Synthetic: tokens of a question; words, without tokenizer.",
    )
    tokenizer: ProjectPath | None = Field(
        default=None, description="Synthetic: tokenizer.json, or its folder, that counts the tokens."
    )

    @model_validator(mode="after")
    def _has_a_path(self) -> Self:
        if (self.kind == "internvl-jsonl") != (self.path is not None):
            raise ValueError("'path' belongs to kind 'internvl-jsonl', and to it alone")
        return self


class ContentSource(Model):
    """Where the content of requests comes from."""

    text: TextSource = Field(
        default=TextSource(kind="synthetic"), description="Where questions, and recorded answers, come from."
    )
    images: ImageSource | None = Field(
        default=None, description="Where images come from; null: there are none."
    )


class ImagesPerTurn(Model):
    """How many images each turn has; a bare distribution says it of the first turn."""

    first: Distribution = Field(
        default=Distribution(const=0), description="Images of a conversation's first turn."
    )
    later: Distribution = Field(default=Distribution(const=0), description="Images of each later turn.")
    order: Literal["forward", "reverse"] = Field(
        default="forward", description="Of the images in a message; the DashInfer script reverses them."
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema with a bare distribution, which the validator below takes too."""
        return with_short_form(handler, core_schema, handler(Distribution.__pydantic_core_schema__))

    @model_validator(mode="before")
    @classmethod
    def _of_the_first(cls, data: Any) -> Any:
        if isinstance(data, dict) and not set(data) <= {"first", "later", "order"}:
            return {"first": data}
        return {"first": data} if isinstance(data, int | float) else data


class SharedPrefix(Model):
    """Text that several conversations begin with, as a system prompt is."""

    groups: int = Field(default=1, ge=1, le=1_000_000, description="Number of different prefixes.")
    tokens: int = Field(ge=1, le=1_000_000, description="Tokens of a prefix; words, without tokenizer.")
    share: Share = Field(default=1.0, description="Share of conversations that begin with one.")


class Slo(Model):
    """Service level objectives of one request; null: none."""

    ttft_ms: Milliseconds | None = Field(default=None, description="Longest time to the first token, in ms.")
    tpot_ms: Milliseconds | None = Field(default=None, description="Longest time per further token, in ms.")
    e2e_ms: Milliseconds | None = Field(default=None, description="Longest time of a whole answer, in ms.")

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return any(value is not None for value in (self.ttft_ms, self.tpot_ms, self.e2e_ms))


class Workload(Model):
    """What is sent, whatever the load. Each quantity is drawn from a random stream of its own."""

    name: FolderName = Field(description="Name in folders and tables.")
    seed: int = Field(
        default=51_966,
        ge=0,
        lt=2**63,
        description="Of all draws. Change it for other contents of the same kind.",
    )
    api: Api = Field(default=Api.CHAT, description="chat, or completions, which has no images and one turn.")
    source: ContentSource = Field(default=ContentSource(), description="Where texts and images come from.")
    images_per_turn: ImagesPerTurn = Field(
        default=ImagesPerTurn(),
        description="How many images each turn has; a bare distribution says it of the first turn.",
    )
    image_transport: Literal["data", "file", "http"] = Field(
        default="data",
        description="Images in the body; or by path, which the server must be allowed to read; or by URL "
        "below `image_url`.",
    )
    image_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s?#]+/$", description="With http: what the images' paths follow."
    )
    image_reuse: Literal["forbidden", "allowed"] = Field(
        default="forbidden",
        description="Whether a folder's image or a recorded text may occur again once all have occurred.",
    )
    output_tokens: Distribution = Field(
        default=Distribution(const=120),
        description="Tokens of each answer, which requests ask for as `force_length` says.",
    )
    force_length: ForceLength = Field(
        default=ForceLength.IGNORE_EOS,
        description="How a request asks for exactly `output_tokens` tokens. Change it for servers without "
        "ignore_eos; none: answers end by themselves, and lengths may differ.",
    )
    sampling: Sampling = Field(
        default=Sampling(temperature=0.0), description="Sampling parameters of every request."
    )
    turns: Distribution = Field(
        default=Distribution(const=1), description="Requests of a conversation, previous turns and one."
    )
    history: Literal["recorded", "live"] = Field(
        default="recorded",
        description="What a later turn repeats as earlier answers: recorded ones, the same bytes for all "
        "systems; or the server's own.",
    )
    think_time_s: Distribution = Field(
        default=Distribution(const=0),
        description="From an answer to the next turn of its conversation, in s.",
    )
    shared_prefix: SharedPrefix | None = Field(
        default=None,
        description="Text that several conversations begin with, as a system prompt is. Set it to measure "
        "prefix caching.",
    )
    stream: bool = Field(default=True, description="Ask for streamed answers, which show TTFT and TPOT.")
    slo: Slo = Field(default=Slo(), description="Service level objectives of one request, for goodput.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        has_images = any(each.fixed != 0 for each in (self.images_per_turn.first, self.images_per_turn.later))
        if has_images and self.source.images is None:
            raise ValueError("'images_per_turn' needs 'source.images'")
        if self.api is Api.COMPLETIONS and (has_images or self.turns.fixed != 1):
            raise ValueError("'api: completions' has no images and one turn; use 'chat'")
        if (self.image_transport == "http") != (self.image_url is not None):
            raise ValueError("'image_url' belongs to 'image_transport: http', and to it alone")
        if self.image_transport != "data" and self.source.images and self.source.images.kind != "folder":
            raise ValueError("synthetic images exist in bodies alone; use 'image_transport: data'")
        if self.sampling.max_tokens is not None or self.sampling.min_tokens is not None:
            raise ValueError("'output_tokens' sets max_tokens and min_tokens; remove them from 'sampling'")
        if not self.stream and (self.slo.ttft_ms or self.slo.tpot_ms):
            raise ValueError("'slo' limits the times of tokens, which only 'stream: true' shows")
        return self
