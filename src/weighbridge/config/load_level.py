"""The loads at which systems are compared: closed loops, and open ones with several arrival processes."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from weighbridge.config.server_settings import ProjectPath
from weighbridge.core.models import Model

Rate = Annotated[float, Field(gt=0, le=1e6)]
Conversations = Annotated[int, Field(ge=1, le=1_000_000)]


class GammaArrivals(Model):
    """Arrivals with gamma-distributed gaps."""

    rate: Rate = Field(description="Conversations/s.")
    burstiness: float = Field(
        ge=0.01,
        le=1e6,
        description="Shape of the gaps: 1 is Poisson, below 1 burstier, above 1 more regular.",
    )


class Ramp(Model):
    """A rate that rises or falls steadily. It shows where a system bends, and is never compared."""

    start: Rate = Field(description="Conversations/s at the start.")
    end: Rate = Field(description="Conversations/s at the end.")
    over_s: float = Field(gt=0, le=86_400, description="From start to end, in s.")


class Trace(Model):
    """Recorded arrivals: JSON lines with `timestamp_s`."""

    file: ProjectPath = Field(description="Recorded arrivals: JSON lines with `timestamp_s`.")
    speed: float = Field(default=1.0, gt=0, description="2: twice as fast as recorded.")


class LoadLevel(Model):
    """One load. Exactly one kind is given."""

    closed: Conversations | None = Field(
        default=None, description="Closed loop of so many conversations at once."
    )
    poisson: Rate | None = Field(default=None, description="Conversations/s that arrive at random.")
    constant: Rate | None = Field(default=None, description="Conversations/s at equal distances.")
    gamma: GammaArrivals | None = Field(
        default=None, description="Arrivals that come in bursts, or more regularly than at random."
    )
    ramp: Ramp | None = Field(default=None, description="A rate that rises or falls steadily.")
    trace: Trace | None = Field(default=None, description="Recorded arrivals.")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if len([name for name in _KINDS if getattr(self, name) is not None]) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}")
        return self

    @property
    def kind(self) -> str:
        """Name of the kind that is given, such as closed."""
        return next(name for name in _KINDS if getattr(self, name) is not None)

    @property
    def open(self) -> bool:
        """Whether conversations arrive by a clock of their own, however fast the system answers."""
        return self.closed is None

    @property
    def name(self) -> str:
        """A name for folders and tables, such as closed-32 or poisson-2.5."""
        if self.gamma is not None:
            return f"gamma-{self.gamma.rate:g}-{self.gamma.burstiness:g}"
        if self.ramp is not None:
            return f"ramp-{self.ramp.start:g}-{self.ramp.end:g}-{self.ramp.over_s:g}s"
        if self.trace is not None:
            return f"trace-{self.trace.file.stem}-{self.trace.speed:g}"
        return f"{self.kind}-{getattr(self, self.kind):g}"

    @property
    def rate(self) -> float | None:
        """Conversations/s that arrive on average; None: a closed loop, or a trace, whose file says it."""
        if self.gamma is not None:
            return self.gamma.rate
        if self.ramp is not None:
            return (self.ramp.start + self.ramp.end) / 2
        return self.poisson or self.constant


_KINDS = ("closed", "poisson", "constant", "gamma", "ramp", "trace")


class Levels(Model):
    """The loads of a sweep, by kind."""

    closed: tuple[Conversations, ...] = Field(
        default=(),
        description="Closed loops: so many conversations at once, such as [1, 32]. For the throughput of a "
        "system that is always busy.",
    )
    poisson: tuple[Rate, ...] = Field(
        default=(),
        description="Conversations/s that arrive at random, as of many users. For latencies at a load below "
        "the capacity.",
    )
    constant: tuple[Rate, ...] = Field(
        default=(), description="Conversations/s at equal distances, as of a machine."
    )
    gamma: tuple[GammaArrivals, ...] = Field(
        default=(), description="Arrivals that come in bursts, or more regularly than at random."
    )
    ramp: tuple[Ramp, ...] = Field(
        default=(), description="Rates that rise or fall steadily, to see where a system bends."
    )
    trace: tuple[Trace, ...] = Field(default=(), description="Recorded arrivals, of your own users.")
    auto: bool = Field(
        default=False,
        description="Double a closed loop until the throughput no longer grows, then Poisson arrivals at "
        "0.2, 0.4, 0.6 and 0.8 of the slowest system's capacity.",
    )

    @model_validator(mode="after")
    def _are_distinct(self) -> Self:
        names = [level.name for level in self.all]
        if not names and not self.auto:
            raise ValueError("give at least one load, such as closed: [1, 32]")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} is given twice")
        return self

    @property
    def all(self) -> tuple[LoadLevel, ...]:
        """Each load that is given by itself, closed loops first."""
        return tuple(LoadLevel(**{kind: value}) for kind in _KINDS for value in getattr(self, kind))
