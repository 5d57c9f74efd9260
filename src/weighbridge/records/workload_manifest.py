"""manifest.json of a workload's store: what was drawn, from what, and the hashes of the result."""

from typing import Literal

from pydantic import Field

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.core.models import Model, Sha256
from weighbridge.core.openai_api import Api
from weighbridge.records.sweep_plan import PhaseCounts, Used


class SliceRecord(Model):
    """The requests of one block at one load."""

    block: int
    repeat: int
    level: LoadLevel
    counts: PhaseCounts
    requests: int = Field(description="Turns of all its conversations.")


class Drawn(Model):
    """What was drawn of one quantity, over all requests or conversations."""

    mean: float
    smallest: float
    p50: float
    p99: float
    largest: float


class Taken(Model):
    """What was taken without replacement from one source."""

    available: int
    needed: int = Field(description="By this store and those before it.")
    repeat_share: float = Field(description="Share of them that occurred before; 0: no repetition.")


class WorkloadManifest(Model):
    """Contents of manifest.json."""

    format: Literal[1] = 1
    workload: Workload
    slices: tuple[SliceRecord, ...]
    api: Api
    count: int = Field(description="Number of requests; a turn is a request.")
    bodies_bytes: int = Field(description="Size of bodies.bin.")
    bodies_sha256: Sha256 = Field(description="sha256 of bodies.bin.")
    digest: Sha256 = Field(description="sha256 over the bodies, the turns and the holes: what is sent, when.")
    drawn: dict[str, Drawn] = Field(description="By quantity, such as output_tokens.")
    taken: dict[str, Taken] = Field(default={}, description="By source: images, texts.")
    used: Used = Field(description="By this store and those before it; where the next one begins.")
    sources: dict[str, str] = Field(default={}, description="sha256 of each input file, by its path.")
    token_counts: str = Field(description="What counts a text's tokens: words, or a tokenizer's file.")
    versions: dict[str, str] = Field(description="Of all that determines the bytes: python, numpy, ...")
