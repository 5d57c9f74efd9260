"""Model of config.yaml's section 'requests': how request bodies are built."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from weighbridge.config.server_settings import ProjectPath
from weighbridge.core.models import Model


class Sampling(Model):
    """Sampling parameters of every request; what becomes of unset ones depends on the benchmark."""

    temperature: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="0: always the likeliest token, so that answers repeat. Set it for comparisons that need "
        "one.",
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Draw from the likeliest tokens that have this share together."
    )
    frequency_penalty: float | None = Field(
        default=None,
        ge=-100,
        le=100,
        description="Make tokens less likely by how often they have occurred; negative: likelier.",
    )
    presence_penalty: float | None = Field(
        default=None,
        ge=-100,
        le=100,
        description="Make tokens less likely that have occurred at all; negative: likelier.",
    )
    max_tokens: int | None = Field(
        default=None,
        gt=0,
        lt=2**31,
        description="Most tokens of an answer. Lower it to bound the time, raise it if answers are cut.",
    )
    min_tokens: int | None = Field(
        default=None, ge=0, lt=2**31, description="Fewest tokens of an answer, before its end is allowed."
    )
    top_k: int | None = Field(
        default=None, ge=-1, lt=2**31, description="Draw from so many likeliest tokens; -1: from all."
    )
    seed: int | None = Field(
        default=None,
        ge=-(2**63),
        lt=2**63,
        description="Seed of the server's draws, so that they can repeat at a temperature above 0.",
    )


class RequestSettings(Model):
    """How request bodies are built."""

    stream: bool = Field(
        default=False,
        description="Request streamed answers, which show the time to the first token; official runs of "
        "rounds without token latencies use false.",
    )
    picture: Literal["reencode", "original"] = Field(
        default="reencode",
        description="Images in requests: 'reencode', as the reference does, or 'original' bytes, which are "
        "smaller and need the open division.",
    )
    guided_decoding: bool = Field(
        default=False,
        description="Demand answers of the benchmark's JSON schema, exactly as the reference's flag does. Set"
        " it if answers cannot be parsed, where the round allows it.",
    )
    sampling: Sampling = Field(
        default=Sampling(),
        description="Sampling parameters of every request. The closed division fixes them.",
    )


class RequestSection(RequestSettings):
    """Contents of config.yaml's section 'requests': how bodies are built, and where they are kept."""

    cache: ProjectPath | None = Field(
        default=Path("runs/.requests"),
        description="Folder of request stores that run directories share, so that each is encoded once and "
        "lies on the disk once; on their file system, and deletable at any time. Null: none is shared.",
    )

    @property
    def bodies(self) -> RequestSettings:
        """What the bodies depend on: all but the place."""
        return RequestSettings.model_validate(self.model_dump(exclude={"cache"}))
