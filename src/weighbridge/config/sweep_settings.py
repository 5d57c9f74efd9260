"""Model of a sweep's file: systems x workloads x loads, in blocks, and how their results are compared."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.load_level import Levels
from weighbridge.config.quality_settings import QualitySettings
from weighbridge.config.scenario_rules import LONGEST_S
from weighbridge.config.server_settings import EnvironmentName, ServerSettings
from weighbridge.config.workload_files import WrittenWorkload
from weighbridge.core.models import FolderName, Model

NOISE_FLOOR_SYSTEM = "A-A"
"""Folder and name of the second copy of the baseline, whose difference from it is the noise floor."""

SystemName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S)]


SWEEP_CLIENT = ClientSettings(request_timeout_s=600, stall_limit_s=120)
"""The client's settings where a sweep says nothing of them: it gives up sooner than a benchmark does."""


class ComparedSystem(Model):
    """One system: a server that Weighbridge starts, a command that starts one, or the user's endpoints.

    A server is described as in config.yaml's section 'server'; `server.endpoints` are the user's.
    """

    server: ServerSettings = Field(
        description="The server, as in config.yaml's section 'server'; its endpoints are yours."
    )
    command: tuple[str, ...] = Field(
        default=(),
        description="Starts a server of any kind, as a list of words; {port} and {model} are filled in. For "
        "servers without an adapter.",
    )
    options: str | None = Field(
        default=None, max_length=200, description="How tables name what is special of it, such as 'fp8'."
    )
    api_key_env: EnvironmentName | None = Field(
        default=None,
        description="Name of the environment variable with its API key, if it asks for one; default: the "
        "client's.",
    )
    reset_cmd: tuple[str, ...] = Field(
        default=(),
        description="Command that empties the server's caches between runs, as a list of words. Set it if a "
        "cache would answer what was asked before.",
    )
    devices: int | None = Field(
        default=None,
        ge=0,
        description="Accelerators, for figures per device; default: server.gpus. Set it for endpoints.",
    )
    price_per_hour: float | None = Field(
        default=None,
        gt=0,
        description="Of the whole system, in any currency; gives the cost per token. Set it for all systems, "
        "or none.",
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if self.command and self.server.endpoints:
            raise ValueError("'command' starts a server, 'server.endpoints' names running ones; remove one")
        return self

    @property
    def attached(self) -> bool:
        """Whether the user runs it."""
        return bool(self.server.endpoints)


class StopRules(Model):
    """What ends a run, or leaves out a load."""

    max_error_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest share of failed requests of a run that is compared. Raise it only if failures "
        "are part of what you compare.",
    )
    error_abort: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="A run ends if more than this share of its first 100 requests failed, or 20 in a row. "
        "Raise it to see a broken system to its end.",
    )
    saturate_gain: float = Field(
        default=0.03,
        ge=0,
        description="A closed loop is saturated if doubling it gains less than this share of throughput, "
        "`saturate_levels` times. Lower it to go to higher loads with 'auto'.",
    )
    saturate_levels: int = Field(
        default=2, ge=1, description="Loads in a row without that gain, after which 'auto' goes no higher."
    )


class SweepSettings(Model):
    """A sweep: what is measured, how often, and how it is judged."""

    name: FolderName = Field(
        description="Name of the sweep, in folders and tables; in the workflow the file's name."
    )
    systems: dict[SystemName, ComparedSystem] = Field(
        min_length=1, description="What is compared, by name; the order of the file is that of tables."
    )
    baseline: SystemName | None = Field(
        default=None, description="What the others are compared with; default: the first system."
    )
    workloads: tuple[WrittenWorkload, ...] = Field(
        min_length=1,
        description="What is sent: names of the package's workloads, such as chat, or descriptions of your "
        "own.",
    )
    levels: Levels = Field(description="The loads at which all systems are measured.")
    blocks: int = Field(
        default=6,
        ge=1,
        le=1000,
        description="Blocks, each with every system. Fixed in advance; even numbers cancel a drift. Raise it "
        "if a verdict is inconclusive: it says how many would decide.",
    )
    order: Literal["balanced", "sequential"] = Field(
        default="balanced",
        description="Of the systems: A B, B A, ... by blocks; or all blocks of A, then all of B, which shows "
        "what a drift does.",
    )
    runs_per_session: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Repeats in one life of a server, averaged before statistics. Raise it if starts take "
        "long and runs vary much.",
    )
    aa: bool = Field(
        default=True,
        description="Measure the baseline twice, which shows the noise floor. Turn it off to save time.",
    )
    equivalence: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="A difference within this share counts as none. Choose what would change no decision of "
        "yours.",
    )
    duration_s: Seconds = Field(
        default=60,
        gt=0,
        description="Of each run's measured part, in s, on the slowest system; longer is steadier.",
    )
    min_requests: int | None = Field(
        default=None,
        ge=1,
        description="Measured at least; default: the larger of 200 and 30 a conversation. Raise it to 1,000 "
        "for a p99.",
    )
    max_duration_s: Seconds = Field(
        default=600,
        gt=0,
        description="Of the measured part, in s, where `min_requests` takes longer. Raise it for slow "
        "systems.",
    )
    warmup_s: Seconds = Field(
        default=10,
        description="Warm-up before each run, in s, on the fastest system. Raise it if runs are found not "
        "steady.",
    )
    start_warmup_s: Seconds = Field(
        default=60,
        description="Warm-up after a server's start, in s. Raise it for servers that compile late.",
    )
    store_limit_bytes: int = Field(
        default=4 << 30,
        ge=1 << 20,
        description="Largest store of a workload; runs are shortened to fit. Raise it with more disk and "
        "memory, for many images.",
    )
    coexist: bool = Field(
        default=False,
        description="Started servers run side by side for the whole sweep, if they fit on the machine and "
        "starts take long; false: each block starts its own.",
    )
    allow_unequal_work: bool = Field(
        default=False,
        description="Compare even if lengths differ between systems; the table marks it. Only where lengths "
        "cannot be forced.",
    )
    stop: StopRules = Field(default=StopRules(), description="What ends a run, or leaves out a load.")
    client: ClientSettings = Field(
        default=SWEEP_CLIENT,
        description="The load client, as in config.yaml. Raise its workers if the client was the limit.",
    )
    quality: QualitySettings | None = Field(
        default=None,
        description="Ask each system these questions too; the table has its accuracy. Set it where a faster "
        "system may answer worse.",
    )
    quality_equivalence: float = Field(
        default=0.01, gt=0, lt=1, description="A difference in accuracy within this share counts as none."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if NOISE_FLOOR_SYSTEM in self.systems:
            raise ValueError(f"the system {NOISE_FLOOR_SYSTEM!r} has the name of the baseline's second copy")
        if self.baseline is not None and self.baseline not in self.systems:
            raise ValueError(f"'baseline' names {self.baseline!r}, which is no system")
        names = [workload.name for workload in self.workloads]
        if len(set(names)) < len(names):
            raise ValueError("two workloads have the same name")
        for level in self.levels.all:
            if level.rate is not None and level.rate * self.max_duration_s < 1:
                raise ValueError(
                    f"at {level.name} not one conversation comes within max_duration_s "
                    f"({self.max_duration_s:g} s); raise the rate"
                )
        return self

    @property
    def reference(self) -> str:
        """Name of the baseline."""
        return self.baseline or next(iter(self.systems))

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of all that is measured in a block, the copy of the baseline last."""
        return (*self.systems, NOISE_FLOOR_SYSTEM) if self.aa else tuple(self.systems)

    def without_quality(self) -> Self:
        """Return what speeds depend on: the same, but for all that only the questions need."""
        fields = ("quality", "quality_equivalence")
        return self.model_copy(update={name: type(self).model_fields[name].default for name in fields})

    def system(self, name: str) -> ComparedSystem:
        """Return a system by its name; the copy of the baseline is the baseline."""
        return self.systems[self.reference if name == NOISE_FLOOR_SYSTEM else name]
