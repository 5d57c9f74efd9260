"""Rules of a metric that gates: its bounds, and what is said of them."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from weighbridge.core.models import Model

ScoreNotation = Literal["json", "python"]


class MetricRules(Model):
    """Bounds of one metric, and other published readings of the same rule."""

    floor: float | None = Field(default=None, description="Lowest score that passes: the strictest reading.")
    largest: float | None = Field(
        default=None, description="Highest possible score, such as 1 of a share; above it, it is an error."
    )
    ceiling: float | None = Field(default=None, description="Highest score that passes.")
    readings: dict[str, float] = Field(default={}, description="Published readings of the floor, by name.")
    notation: ScoreNotation = Field(
        default="json",
        description="How accuracy.txt states it for the official checker: in JSON, or as Python prints it.",
    )
    reference_mean: float | None = Field(
        default=None, description="Mean score of the reference implementation."
    )
    reference_sd: float | None = Field(
        default=None, ge=0, description="Standard deviation of that score over runs."
    )
    asked: bool = Field(
        default=True, description="False: there is no verdict on this metric; 'note' says why."
    )
    note: str | None = Field(default=None, description="What is said beside the bounds.")

    @property
    def bounds(self) -> str:
        """The floor and the ceiling as text; empty where there is none."""
        bounds = ((">=", self.floor), ("<=", self.ceiling))
        return ", ".join(f"{sign} {bound:.12g}" for sign, bound in bounds if bound is not None)

    @model_validator(mode="after")
    def _can_be_passed(self) -> Self:
        highest = min(bound for bound in (self.ceiling, self.largest, math.inf) if bound is not None)
        if self.floor is not None and self.floor > highest:
            raise ValueError(f"the floor {self.floor:g} is above {highest:g}, so that no score can pass")
        return self
