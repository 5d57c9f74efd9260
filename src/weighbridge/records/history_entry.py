"""An entry of a history: one finished verdict, comparison or quality result; its file never changes."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from weighbridge.core.models import FolderName, Model, Sha256

HISTORY_FOLDER = "history"
"""Of a run directory, beside its results."""
LATEST = "latest.json"
"""A link to the newest entry."""
REVISION = "weighbridge.revision"
"""Setting that changes with every commit of the checkout; the code's hash says whether it measures alike."""


class HistoryKind(StrEnum):
    """What an entry is of."""

    VERDICT = "verdict"
    COMPARISON = "comparison"
    QUALITY = "quality"


class HistoryMeasure(Model):
    """One figure of a result."""

    name: str = Field(description="Such as 'rate', 'latency p99', 'WER', 'speed-up of B at chat, closed-8'.")
    value: float
    unit: str = Field(description="Such as 'samples/s'; empty: none.")
    aspect: Literal["speed", "score"] = Field(description="What --fail-if judges: slower, or worse.")
    better: Literal["higher", "lower"]
    low: float | None = Field(default=None, description="Lower end of its 95 % interval; null: not known.")
    high: float | None = None
    measured_by: Sha256 | None = Field(
        default=None,
        description="Of the measurement: a run that is judged again is no repeat of it. Null: not known.",
    )


class HistorySystem(Model):
    """The system that was measured."""

    fingerprint: Sha256 = Field(description="Of what follows, and of model, server arguments and hardware.")
    server: str | None = Field(description="Kind and version, such as 'vLLM 0.12.0'; null: not reported.")
    model: str
    hardware: str | None = Field(description="Accelerators or processors; null: not known.")


class HistoryEntry(Model):
    """Contents of an entry's file."""

    schema_version: Literal[1] = 1
    time: datetime = Field(description="When the result was recorded, UTC.")
    kind: HistoryKind
    name: FolderName = Field(description="Scenario, sweep, or quality benchmark.")
    benchmark: str
    round: str | None = None
    category: str | None = None
    system: HistorySystem
    settings: dict[str, str] = Field(
        description="What the result was measured with, flat: 'server.args.--max-num-seqs' -> '1024'."
    )
    measures: tuple[HistoryMeasure, ...]
    outcome: str = Field(description="VALID, INVALID or UNPROVEN; of comparisons, the sentence of each row.")
    note: str | None = Field(default=None, description="Such as that it is a demonstration, or limited.")
    where: str = Field(description="The result's file, relative to the run directory.")
    result_sha256: Sha256 = Field(description="Of that file; the same result is recorded once.")
    weighbridge_version: str
