"""Model of a round: every constant that the rules of a benchmark fix, as data.

A round is a YAML file in the `rounds` folder of its benchmark; `weighbridge.benchmarks.rounds` finds and
reads it. The model is generic: scenarios, limits, runs and metrics are names and numbers.
"""

from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from weighbridge.core.errors import InputError
from weighbridge.core.models import FolderName, Model, Sha256


class LoadGenScenario(StrEnum):
    """How LoadGen issues queries, with the names used in its settings and logs."""

    OFFLINE = "Offline"
    """All samples in a single query at the start."""
    SERVER = "Server"
    """Queries of one sample each, at Poisson-distributed times."""
    SINGLE_STREAM = "SingleStream"
    """Queries of one sample each, the next when the last is answered."""


class Mode(StrEnum):
    """What LoadGen does in a run: measure performance, or log every answer for scoring."""

    PERFORMANCE = "performance"
    ACCURACY = "accuracy"


class ServerFeature(StrEnum):
    """A server's reuse of work from earlier queries, which a benchmark may forbid."""

    PREFIX_CACHING = "prefix-caching"
    """Reuse of computed prompt prefixes."""
    MEDIA_CACHE = "media-cache"
    """Reuse of processed images, videos and audio."""


class Seeds(Model):
    """The three seeds that a round announces; they are compiled into LoadGen's wheel."""

    qsl: int
    sample_index: int
    schedule: int


class LoadGenRules(Model):
    """LoadGen's releases and settings in this round."""

    model: str = Field(
        description="LoadGen's name of the benchmark, unless a scenario sets its own. LoadGen silently "
        "ignores the benchmark's limits if the name is wrong."
    )
    versions: tuple[str, ...] = Field(
        min_length=1, description="LoadGen releases that contain the round's seeds."
    )
    seeds: Seeds
    token_latencies: bool = Field(
        default=False, description="True: LoadGen measures token latencies, which needs streamed requests."
    )
    whole_passes: bool = Field(
        default=True, description="True: LoadGen issues every sample equally often; false only in probes."
    )


class LatencyLimit(Model):
    """A latency limit at a percentile."""

    limit_s: float = Field(gt=0, description="Largest latency at the percentile, in s.")
    percentile: float = Field(default=0.99, gt=0, lt=1, description="As a share, such as 0.99.")


class Limits(Model):
    """Latency limits of a performance run; any subset may be set."""

    latency: LatencyLimit | None = Field(default=None, description="From issue to the last byte.")
    ttft: LatencyLimit | None = Field(default=None, description="From issue to the first token.")
    tpot: LatencyLimit | None = Field(default=None, description="Time per output token after the first.")

    @property
    def by_name(self) -> dict[str, LatencyLimit]:
        """The limits that are set, by name, in the order above."""
        named = {"latency": self.latency, "ttft": self.ttft, "tpot": self.tpot}
        return {name: limit for name, limit in named.items() if limit is not None}


class LatencyMetric(Model):
    """A latency percentile as a scenario's published result; lower is better."""

    latency_percentile: float = Field(gt=0, lt=1, description="As a share, such as 0.9.")


PerformanceMetric = Literal["samples/s", "queries/s", "tokens/s"] | LatencyMetric


class RunRules(Model):
    """One run of a scenario."""

    mode: Mode
    compliance_test: FolderName | None = Field(
        default=None, description="Name of the compliance test, such as TEST06; null: not a compliance run."
    )


class ScenarioRules(Model):
    """Rules of one scenario: its names, how queries are issued, run lengths and limits."""

    name: FolderName = Field(
        description="Name in targets and in folders of a run directory; the key in the round."
    )
    folder: FolderName = Field(description="Name of its folder in a submission tree, and in reports.")
    loadgen_scenario: LoadGenScenario | None = Field(
        default=None, description="Null: a client other than LoadGen issues the queries."
    )
    loadgen_model: str | None = Field(default=None, description="Default: the round's loadgen.model.")
    metric: PerformanceMetric = Field(description="Published result of the performance run.")
    min_duration_s: float = Field(gt=0, description="Shortest duration of a performance run, in s.")
    min_query_count: int = Field(
        gt=0, description="Smallest number of queries; Offline: of samples in the single query."
    )
    limits: Limits = Limits()
    runs: dict[FolderName, RunRules] = Field(
        default={
            "performance": RunRules(mode=Mode.PERFORMANCE),
            "accuracy": RunRules(mode=Mode.ACCURACY),
        },
        description="Runs by the name of their folder.",
    )
    required: bool = Field(
        default=True, description="True: a submission in the closed division must contain it."
    )

    @model_validator(mode="after")
    def _has_both_ordinary_runs(self) -> Self:
        ordinary = {name: run.mode for name, run in self.runs.items() if run.compliance_test is None}
        if ordinary != {str(mode): mode for mode in Mode}:
            raise ValueError(
                "runs must have 'performance' and 'accuracy', each of its own mode; "
                "any other run is one of a compliance test"
            )
        return self

    @property
    def offline(self) -> bool:
        """Whether all samples are issued in a single query."""
        return self.loadgen_scenario is LoadGenScenario.OFFLINE

    @property
    def has_schedule(self) -> bool:
        """Whether queries have due times, so that a target rate is issued."""
        return self.loadgen_scenario is LoadGenScenario.SERVER

    @property
    def searchable(self) -> bool:
        """Whether a highest rate can be searched for: a rate is issued, and a limit must be kept."""
        return self.has_schedule and bool(self.limits.by_name)


class MetricRules(Model):
    """Bounds of one metric, and other published readings of the same rule."""

    floor: float | None = Field(default=None, description="Lowest score that passes: the strictest reading.")
    ceiling: float | None = Field(default=None, description="Highest score that passes.")
    readings: dict[str, float] = Field(default={}, description="Published readings of the floor, by name.")
    reference_mean: float | None = Field(
        default=None, description="Mean score of the reference implementation."
    )
    reference_sd: float | None = Field(
        default=None, description="Standard deviation of that score over runs."
    )


class Round(Model):
    """All constants of a round. A demonstration round keeps the limits and reduces counts and durations."""

    name: str
    benchmark: FolderName = Field(
        description="Name of the benchmark's plug-in, and of its folder in a submission tree."
    )
    submittable: bool = Field(description="False marks every number of this round as a demonstration.")
    not_submittable_because: str | None = Field(
        default=None, description="Why results may not be submitted, if the reason is not a demonstration."
    )
    simulated: bool = Field(
        default=False, description="True: answers and speed are simulated; no model runs."
    )
    category: str | None = Field(
        default=None, description="Such as datacenter or edge, if the rules differ between them."
    )
    evidence: Literal["loadgen", "endpoints"] = Field(
        default="loadgen", description="Whose logs prove a result of this round."
    )
    checker_version: str | None = Field(
        description="Value of the official checker's --version; null: the checker does not know the round."
    )
    vllm_version: str | None = Field(
        default=None, description="vLLM release of the reference implementation."
    )
    client: str = Field(
        description="NAME of the client's environment, envs/client-NAME.yaml, which contains LoadGen."
    )
    max_tokens: int | None = Field(
        default=None,
        description="Limit of an answer's length in tokens, unless the settings set one; null: none.",
    )
    samples: int = Field(gt=0, description="Number of samples in the dataset; every run covers all of them.")
    system_types: tuple[str, ...] = Field(
        min_length=1,
        description="Allowed values of system_type in the system description; the first is the default.",
    )
    splits: tuple[str, ...] = Field(description="Dataset splits, in the order that numbers the samples.")
    prompt: dict[str, Sha256] = Field(
        default={}, description="sha256 of each fixed text of the prompt (UTF-8), by name."
    )
    server_must_not: tuple[ServerFeature, ...] = Field(
        default=(), description="Features that the model server must have disabled."
    )
    loadgen: LoadGenRules | None = Field(default=None, description="Null: the round does not use LoadGen.")
    metrics: dict[str, MetricRules] = Field(
        min_length=1, description="Metrics that gate, the main one first."
    )
    scenarios: dict[FolderName, ScenarioRules] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _complete_scenarios(cls, data: Any) -> Any:
        """Add to each scenario its key as `name`, and the round's LoadGen model unless it sets its own."""
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
                raise ValueError(f"scenario '{name}' has the name '{rules.name}'; remove 'name'")
            if self.evidence == "loadgen" and (self.loadgen is None or rules.loadgen_scenario is None):
                raise ValueError(
                    f"evidence is LoadGen's, so 'loadgen' and scenarios.{name}.loadgen_scenario must be given"
                )
        return self

    @property
    def loadgen_rules(self) -> LoadGenRules:
        """LoadGen's releases and settings.

        Raises:
            InputError: the round does not use LoadGen.
        """
        if self.loadgen is None:
            raise InputError(f"round {self.name} does not use LoadGen; choose another round.")
        return self.loadgen

    @property
    def main_metric(self) -> str:
        """Name of the metric that tables show."""
        return next(iter(self.metrics))

    def scenario_with_rate(self, name: str | None) -> ScenarioRules:
        """Return the rules of the named scenario, or of the only one whose queries have due times.

        Raises:
            InputError: the round has no such scenario, or none is named and the number of scenarios with a
                rate is not one.
        """
        if name is not None:
            return self.scenario(name)
        with_rate = [rules for rules in self.scenarios.values() if rules.has_schedule]
        if len(with_rate) != 1:
            known = ", ".join(rules.name for rules in with_rate) or "none"
            raise InputError(f"round {self.name}: pass --scenario; scenarios with a rate: {known}.")
        return with_rate[0]

    def scenario(self, name: str) -> ScenarioRules:
        """Return the rules of a scenario.

        Raises:
            InputError: the round has no such scenario; the message lists its scenarios.
        """
        if name not in self.scenarios:
            raise InputError(
                f"round {self.name} has no {name} scenario; it has: {', '.join(self.scenarios)}."
            )
        return self.scenarios[name]
