"""Model of config.yaml's section 'requests': how request bodies are built."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from weighbridge.config.server_settings import ProjectPath
from weighbridge.core.models import Model


class Sampling(Model):
    """Sampling parameters of every request; what becomes of unset ones depends on the benchmark."""

    temperature: float | None = Field(default=None, ge=0, le=100)
    top_p: float | None = Field(default=None, gt=0, le=1)
    frequency_penalty: float | None = Field(default=None, ge=-100, le=100)
    presence_penalty: float | None = Field(default=None, ge=-100, le=100)
    max_tokens: int | None = Field(default=None, gt=0, lt=2**31)
    min_tokens: int | None = Field(default=None, ge=0, lt=2**31)
    top_k: int | None = Field(default=None, ge=-1, lt=2**31)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)


class RequestSettings(Model):
    """How request bodies are built."""

    stream: bool = Field(default=False, description="Request streamed answers; official runs use false.")
    picture: Literal["reencode", "original"] = Field(
        default="reencode",
        description="Images in requests: 'reencode', as the reference does, or 'original' bytes.",
    )
    guided_decoding: bool = Field(
        default=False,
        description="Demand answers of the benchmark's JSON schema, exactly as the reference's flag does.",
    )
    sampling: Sampling = Sampling()


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
