"""The highest load at which a system meets its objectives, and every load that was tried."""

from typing import Literal

from pydantic import Field

from weighbridge.config.workload import Slo
from weighbridge.core.models import Model

SLO_CAPACITY = "slo_capacity.json"
GOOD_SHARE = 0.99
"""Share of the requests that must meet every objective."""


class SloTrial(Model):
    """One load that was tried: a short probe, or a confirmation of full length."""

    kind: Literal["probe", "confirmation"]
    rate: float = Field(gt=0, description="Conversations/s that arrived at random.")
    passed: bool
    reason: str = Field(description="Why it passed or failed, in one sentence.")
    requests: int = Field(ge=0, description="Measured requests.")
    good: int = Field(ge=0, description="Of these, those that met every objective.")
    failed: int = Field(ge=0)
    goodput: float | None = Field(description="Requests/s that met every objective; null: not known.")
    completed: float = Field(ge=0, description="Conversations/s that ended.")
    duration_s: float = Field(ge=0, description="Of the measured window.")
    p50_s: float | None = Field(description="Of the time to the first token, or of the whole request.")
    p99_s: float | None
    folder: str = Field(description="Of its run, below the sweep's.")
    refused: tuple[str, ...] = Field(
        default=(), description="Checks of the run that failed, apart from failed requests: it is in doubt."
    )


class SloCapacity(Model):
    """What a search found for one system and one workload."""

    system: str
    workload: str
    slo: Slo
    good_share: float = GOOD_SHARE
    rate: float | None = Field(
        description="Highest confirmed load in conversations/s; null: none, and `reason` says why."
    )
    goodput: float | None = Field(description="Requests/s that met every objective at that load.")
    lowest_failed: float | None = Field(description="Lowest load that failed; null: none did.")
    reason: str | None = Field(default=None, description="Why no load was confirmed.")
    trials: tuple[SloTrial, ...]


class SloCapacities(Model):
    """Contents of slo_capacity.json."""

    schema_version: int = 1
    capacities: tuple[SloCapacity, ...]
