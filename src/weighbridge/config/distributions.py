"""A distribution as people write it: a number, or one named form with its parameters, and bounds."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from weighbridge.config.server_settings import ProjectPath
from weighbridge.core.models import Model

Positive = Annotated[float, Field(gt=0)]


class Normal(Model):
    """A normal distribution."""

    mean: float
    sd: Annotated[float, Field(ge=0)]


class LogNormal(Model):
    """A log-normal distribution: exp of a normal one with mean log(median) and standard deviation sigma."""

    median: Positive
    sigma: Annotated[float, Field(ge=0)]


class Exponential(Model):
    """An exponential distribution."""

    mean: Positive


class Distribution(Model):
    """Exactly one form; drawn values outside `min` and `max` are moved to the bound."""

    const: float | None = Field(default=None, description="Always this value; a bare number says the same.")
    uniform: tuple[float, float] | None = Field(
        default=None,
        description="Both bounds included; where whole numbers are drawn, each is equally likely.",
    )
    normal: Normal | None = None
    lognormal: LogNormal | None = None
    exponential: Exponential | None = None
    choice: tuple[float, ...] | dict[float, Positive] | None = Field(
        default=None, description="Values, equally likely; or each value, in quotes, with its weight."
    )
    empirical: ProjectPath | None = Field(
        default=None, description="Text file with one observed value a line, each equally likely."
    )
    min: float | None = None
    max: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_number(cls, data: Any) -> Any:
        if isinstance(data, int | float) and not isinstance(data, bool):
            return {"const": data}
        return data

    @model_validator(mode="after")
    def _is_one_form(self) -> "Distribution":
        forms = [name for name in _FORMS if getattr(self, name) is not None]
        if len(forms) != 1:
            raise ValueError(f"give exactly one of {', '.join(_FORMS)}")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError("the first bound of 'uniform' is above the second")
        if self.choice is not None and not self.choice:
            raise ValueError("'choice' has no value")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("'min' is above 'max'")
        return self

    @property
    def form(self) -> str:
        """Name of the form that is given, such as uniform."""
        return next(name for name in _FORMS if getattr(self, name) is not None)

    @property
    def fixed(self) -> float | None:
        """The only value it can have; None: it varies."""
        if self.const is None:
            return None
        low = self.const if self.min is None else max(self.const, self.min)
        return low if self.max is None else min(low, self.max)


_FORMS = ("const", "uniform", "normal", "lognormal", "exponential", "choice", "empirical")
