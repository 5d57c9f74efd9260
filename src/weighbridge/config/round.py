"""What a benchmark's rules say, as data: one round of a benchmark, with every constant that the rules fix.

A round is a YAML file in the `rounds` folder of its benchmark; `weighbridge.benchmarks.rounds` finds and
reads it. This model knows no benchmark: scenarios, limits, runs and metrics are names and numbers.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from weighbridge.core.errors import InputError
from weighbridge.core.models import Model

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class LoadGenScenario(StrEnum):
    """How LoadGen issues queries; the names are those of its settings and logs."""

    OFFLINE = "Offline"
    """All samples in one query, as fast as the system takes them."""
    SERVER = "Server"
    """Queries of one sample at random (Poisson) times."""
    SINGLE_STREAM = "SingleStream"
    """One query after the other."""


class Mode(StrEnum):
    """What LoadGen does in a run: measure the speed, or collect every answer."""

    PERFORMANCE = "performance"
    ACCURACY = "accuracy"


class ServerFeature(StrEnum):
    """What a model server may do to reuse work of an earlier query, and a benchmark may forbid."""

    PREFIX_CACHING = "prefix-caching"
    """Computed prompt prefixes are kept for later prompts."""
    MEDIA_CACHE = "media-cache"
    """Processed images, videos and sounds are kept for later prompts."""


class Seeds(Model):
    """The three seeds that a round announces; LoadGen carries them compiled in."""

    qsl: int
    sample_index: int
    schedule: int


class LoadGenRules(Model):
    """What LoadGen must be and be told."""

    model: str = Field(
        description="LoadGen's name of the benchmark, unless a scenario has its own; a wrong one silently "
        "loses its limits."
    )
    versions: tuple[str, ...] = Field(min_length=1, description="Releases that carry the round's seeds.")
    seeds: Seeds
    token_latencies: bool = Field(
        default=False, description="LoadGen measures to the first token; needs streamed requests."
    )
    whole_passes: bool = Field(
        default=True, description="LoadGen issues every sample equally often; off only in runs that probe."
    )


class LatencyLimit(Model):
    """At least a share of all queries must not take longer."""

    limit_s: float = Field(gt=0)
    percentile: float = Field(default=0.99, gt=0, lt=1)


class Limits(Model):
    """What a performance run's latencies must keep; any subset."""

    latency: LatencyLimit | None = Field(default=None, description="From issue to the last byte.")
    ttft: LatencyLimit | None = Field(default=None, description="From issue to the first token.")
    tpot: LatencyLimit | None = Field(default=None, description="Per output token after the first.")


class LatencyMetric(Model):
    """A latency percentile as a scenario's published result: less is better."""

    latency_percentile: float = Field(gt=0, lt=1)


PerformanceMetric = Literal["samples/s", "queries/s", "tokens/s"] | LatencyMetric


class RunRules(Model):
    """One run of a scenario."""

    mode: Mode
    compliance_test: FolderName | None = Field(
        default=None, description="Name of the compliance test, such as TEST06; null: an ordinary run."
    )


class ScenarioRules(Model):
    """One scenario: what it is called, how it is issued, how long it runs, what it must keep."""

    name: FolderName = Field(description="Of targets and folders of a run directory; the key in the round.")
    folder: FolderName = Field(description="Its folder in a submission tree, and what people call it.")
    loadgen_scenario: LoadGenScenario | None = Field(
        default=None, description="Null: another client than LoadGen issues it."
    )
    loadgen_model: str | None = Field(default=None, description="Default: the round's loadgen.model.")
    metric: PerformanceMetric = Field(description="What is published of its performance run.")
    min_duration_s: float = Field(gt=0)
    min_query_count: int = Field(
        gt=0, description="Offline: samples of its one query; elsewhere queries of one sample."
    )
    limits: Limits = Limits()
    runs: dict[FolderName, RunRules] = Field(
        default={
            "performance": RunRules(mode=Mode.PERFORMANCE),
            "accuracy": RunRules(mode=Mode.ACCURACY),
        },
        description="By name of their folder.",
    )
    required: bool = Field(default=True, description="A closed submission must hold it.")

    @property
    def offline(self) -> bool:
        """Whether everything is issued at once."""
        return self.loadgen_scenario is LoadGenScenario.OFFLINE

    @property
    def has_schedule(self) -> bool:
        """Whether queries have due times, so that a rate is asked of the system."""
        return self.loadgen_scenario is LoadGenScenario.SERVER


class MetricRules(Model):
    """The bounds of one score, and the other readings of the same rule in circulation."""

    floor: float | None = Field(default=None, description="The score must reach it: the strictest reading.")
    ceiling: float | None = Field(default=None, description="The score must not exceed it.")
    readings: dict[str, float] = Field(default={}, description="Name of each reading of the floor, and it.")
    reference_mean: float | None = Field(default=None, description="Mean score of the reference model.")
    reference_sd: float | None = Field(default=None, description="Its standard deviation over runs.")


class Round(Model):
    """Everything a round fixes. A demo round keeps the limits and shrinks the counts and durations."""

    name: str
    benchmark: FolderName = Field(
        description="The benchmark's name: of its plug-in, and of its folder in a submission tree."
    )
    submittable: bool = Field(description="False marks every number of this round as a demonstration.")
    not_submittable_because: str | None = Field(
        default=None, description="Why results may not be submitted, where the reason is not a demonstration."
    )
    simulated: bool = Field(default=False, description="True: no model answers; the speed is made up too.")
    category: str | None = Field(default=None, description="Such as datacenter or edge, where they differ.")
    evidence: Literal["loadgen", "endpoints"] = Field(
        default="loadgen", description="Whose logs a result of this round rests on."
    )
    checker_version: str | None = Field(
        description="The official checker's --version; null: no official one."
    )
    vllm_version: str | None = Field(default=None, description="Of the reference implementation's server.")
    client: str = Field(description="The client's environment, envs/client-NAME.yaml: it has the LoadGen.")
    max_tokens: int | None = Field(
        default=None, description="The answers' length limit, sent when no other is set; null: none."
    )
    samples: int = Field(gt=0, description="Samples of the dataset, all of which every run covers.")
    system_types: tuple[str, ...] = Field(description="What a system that takes part may be called.")
    splits: tuple[str, ...] = Field(description="Dataset splits, in the order that numbers the samples.")
    prompt: dict[str, Sha256] = Field(
        default={}, description="sha256 of each fixed text of a request, by its name; UTF-8."
    )
    server_must_not: tuple[ServerFeature, ...] = Field(
        default=(), description="What the model server must have switched off."
    )
    loadgen: LoadGenRules | None = Field(default=None, description="Null: LoadGen takes no part.")
    metrics: dict[str, MetricRules] = Field(
        min_length=1, description="The scores that gate, the main one first."
    )
    scenarios: dict[FolderName, ScenarioRules] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _complete_scenarios(cls, data: Any) -> Any:
        """Write each scenario's key into it, and the round's LoadGen model where it has none of its own."""
        if not isinstance(data, dict) or not isinstance(data.get("scenarios"), dict):
            return data
        loadgen = data.get("loadgen")
        model = loadgen.get("model") if isinstance(loadgen, dict) else None
        scenarios = {
            name: {"name": name, "loadgen_model": model} | rules if isinstance(rules, dict) else rules
            for name, rules in data["scenarios"].items()
        }
        return data | {"scenarios": scenarios}

    @model_validator(mode="after")
    def _has_its_evidence(self) -> Self:
        for name, rules in self.scenarios.items():
            if name != rules.name:
                raise ValueError(f"scenario '{name}' calls itself '{rules.name}'; remove 'name'")
            if self.evidence == "loadgen" and (self.loadgen is None or rules.loadgen_scenario is None):
                raise ValueError(
                    f"evidence is LoadGen's, so 'loadgen' and scenarios.{name}.loadgen_scenario must be given"
                )
        return self

    @property
    def loadgen_rules(self) -> LoadGenRules:
        """What LoadGen must be and be told.

        Raises:
            InputError: LoadGen takes no part in this round.
        """
        if self.loadgen is None:
            raise InputError(f"round {self.name}: its results do not rest on LoadGen; choose another round.")
        return self.loadgen

    @property
    def main_metric(self) -> str:
        """The score that stands for all in tables."""
        return next(iter(self.metrics))

    def scenario(self, name: str) -> ScenarioRules:
        """Return the rules of a scenario.

        Raises:
            InputError: the round has no such scenario; those it has are listed.
        """
        if name not in self.scenarios:
            raise InputError(
                f"round {self.name} has no {name} scenario; it has: {', '.join(self.scenarios)}."
            )
        return self.scenarios[name]
