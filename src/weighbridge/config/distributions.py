"""A distribution as people write it: a number, or one named form with its parameters, and bounds."""

from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from weighbridge.config.server_settings import ProjectPath
from weighbridge.core.models import Model

Positive = Annotated[float, Field(gt=0)]


def with_short_form(
    handler: GetJsonSchemaHandler, core_schema: CoreSchema, short: dict[str, Any]
) -> dict[str, Any]:
    """Return the JSON Schema of a model that may be written in a shorter form, for editors."""
    reference = handler(core_schema)
    schema = handler.resolve_ref_schema(reference)
    whole = {key: value for key, value in schema.items() if key not in ("title", "description")}
    for key in whole:
        del schema[key]
    schema["anyOf"] = [short, whole]
    return reference


class Normal(Model):
    """A normal distribution."""

    mean: float = Field(description="Mean.")
    sd: Annotated[float, Field(ge=0)] = Field(description="Standard deviation.")


class LogNormal(Model):
    """A log-normal distribution: exp of a normal one with mean log(median) and standard deviation sigma."""

    median: Positive = Field(description="Median.")
    sigma: Annotated[float, Field(ge=0)] = Field(
        description="Standard deviation of the logarithm: 0.5 is moderate, 1 has a long tail."
    )


class Exponential(Model):
    """An exponential distribution."""

    mean: Positive = Field(description="Mean.")


class Distribution(Model):
    """Exactly one form; drawn values outside `min` and `max` are moved to the bound."""

    const: float | None = Field(default=None, description="Always this value; a bare number says the same.")
    uniform: tuple[float, float] | None = Field(
        default=None,
        description="Both bounds included; where whole numbers are drawn, each is equally likely.",
    )
    normal: Normal | None = Field(default=None, description="Values around a mean.")
    lognormal: LogNormal | None = Field(
        default=None, description="Values with a long tail, as lengths of prompts have."
    )
    exponential: Exponential | None = Field(
        default=None, description="Values with a mean, small ones most often, as pauses have."
    )
    choice: tuple[float, ...] | dict[float, Positive] | None = Field(
        default=None, description="Values, equally likely; or each value, in quotes, with its weight."
    )
    empirical: ProjectPath | None = Field(
        default=None, description="Text file with one observed value a line, each equally likely."
    )
    min: float | None = Field(default=None, description="Smallest value; smaller ones are moved to it.")
    max: float | None = Field(default=None, description="Largest value; larger ones are moved to it.")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema with the bare number, which the validator below takes too."""
        return with_short_form(handler, core_schema, {"type": "number"})

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
