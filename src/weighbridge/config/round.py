"""Model of a round: every constant that the rules of a benchmark fix, as data.

A round is a YAML file in the `rounds` folder of its benchmark; `weighbridge.benchmarks.rounds` finds and
reads it. The model is generic: scenarios, limits, runs and metrics are names and numbers.
"""

from collections.abc import Collection
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from weighbridge.config.closed_rules import ClosedRules, ServerFeature
from weighbridge.config.compliance_rules import ComplianceRules
from weighbridge.config.dataset_rules import DatasetRules
from weighbridge.config.loadgen_rules import LoadGenRules
from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.official_client_rules import EndpointsRules
from weighbridge.config.request_settings import Sampling
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.models import FolderName, Model, Sha256


class Round(Model):
    """All constants of a round. A demonstration round keeps the limits and reduces counts and durations."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(\+limit=[0-9]+)?$", max_length=128)
    benchmark: FolderName = Field(
        description="Name of the benchmark's plug-in, and of its folder in a submission tree."
    )
    tree_name: FolderName | None = Field(
        default=None, description="Its folder in a submission tree, if not the benchmark's name."
    )
    submittable: bool = Field(description="False marks every number of this round as a demonstration.")
    not_submittable_because: str | None = Field(
        default=None, description="Why results may not be submitted, if the reason is not a demonstration."
    )
    withdrawn: str | None = Field(
        default=None,
        description="Why results of this round may not be submitted any more; it then is not submittable.",
    )
    simulated: bool = Field(
        default=False, description="True: answers and speed are simulated; no model runs."
    )
    category: FolderName | None = Field(
        default=None, description="Such as datacenter or edge, if the rules differ between them."
    )
    evidence: Literal["loadgen", "endpoints"] = Field(
        default="loadgen", description="Whose logs prove a result of this round."
    )
    also_proven_by: tuple[Literal["endpoints"], ...] = Field(
        default=(),
        description="Whose files a submission may hold instead; they are checked by the benchmark's round of "
        "that evidence and official checker, where there is one.",
    )
    checker_version: str | None = Field(
        description="Value of the official checker's --version; null: the checker does not know the round."
    )
    checker_options: tuple[Literal["--skip-dataset-size-check"], ...] = Field(
        default=(),
        description="Further options of the official checker, for a demonstration with fewer samples.",
    )
    vllm_version: str | None = Field(
        default=None, description="vLLM release of the reference implementation."
    )
    client: FolderName = Field(
        description="NAME of the client's environment, envs/client-NAME.yaml, which contains LoadGen."
    )
    max_tokens: int | None = Field(
        default=None,
        gt=0,
        description="Limit of an answer's length in tokens, unless the settings set one; null: none.",
    )
    sampling: Sampling = Field(
        default=Sampling(),
        description="Sampling parameters of every request, where the settings set no others.",
    )
    samples: int = Field(gt=0, lt=2**32, description="Number of samples; every run covers all of them.")
    dataset_samples: int | None = Field(
        default=None,
        gt=0,
        lt=2**32,
        description="Number in the dataset, if only the first `samples` are used.",
    )
    accuracy: Literal["strict"] | None = Field(
        default=None,
        description="'strict': floors are 99.9 % of the reference's mean, which is not MLPerf's.",
    )
    system_types: tuple[str, ...] = Field(
        min_length=1,
        description="Allowed values of system_type in the system description; the first is the default.",
    )
    splits: tuple[FolderName, ...] = Field(
        min_length=1, description="Dataset splits, in the order that numbers the samples."
    )
    dataset_files: dict[FolderName, Sha256] = Field(
        default={},
        description="sha256 of files of the dataset by name, as others have published them; a file that "
        "differs is told and used.",
    )
    prompt: dict[str, Sha256] = Field(
        default={}, description="sha256 of each fixed text of the prompt (UTF-8), by name."
    )
    server_must_not: tuple[ServerFeature, ...] = Field(
        default=(), description="Features that the model server must have disabled."
    )
    further_datasets: dict[FolderName, DatasetRules] = Field(
        default={}, description="Datasets of scenarios that do not use the round's own, by name."
    )
    loadgen: LoadGenRules | None = Field(default=None, description="Null: the round does not use LoadGen.")
    endpoints: EndpointsRules | None = Field(
        default=None, description="Null: the round does not use the official endpoints client."
    )
    closed: ClosedRules = Field(
        default=ClosedRules(), description="What a result of the closed division may not change."
    )
    metrics: dict[FolderName, MetricRules] = Field(
        min_length=1, description="Metrics that gate, the main one first."
    )
    scenarios: dict[FolderName, ScenarioRules] = Field(min_length=1)
    compliance_tests: dict[FolderName, ComplianceRules] = Field(
        default={}, description="Compliance tests that runs of scenarios name, such as TEST06."
    )
    one_of: tuple[FolderName, ...] = Field(
        default=(),
        description="Folders of scenarios of which a submission in the closed division needs at least one, "
        "besides the required ones.",
    )

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

    @model_validator(mode="before")
    @classmethod
    def _withdraw(cls, data: Any) -> Any:
        """Mark a withdrawn round as not submittable."""
        if not isinstance(data, dict) or data.get("withdrawn") is None:
            return data
        return data | {"submittable": False, "not_submittable_because": data["withdrawn"]}

    @model_validator(mode="after")
    def _has_its_evidence(self) -> Self:
        for name, rules in self.scenarios.items():
            if name != rules.name:
                raise ValueError(f"scenario '{name}' has the name '{rules.name}'; remove 'name'")
            if self.evidence == "loadgen" and (self.loadgen is None or rules.loadgen_scenario is None):
                raise ValueError(
                    f"evidence is LoadGen's, so 'loadgen' and scenarios.{name}.loadgen_scenario must be given"
                )
            if self.evidence == "endpoints" and (self.endpoints is None or rules.endpoints is None):
                raise ValueError(
                    "evidence is that of the official endpoints client, so 'endpoints' and "
                    f"scenarios.{name}.endpoints must be given"
                )
            if rules.dataset is not None and rules.dataset not in self.further_datasets:
                raise ValueError(
                    f"scenarios.{name}.dataset is '{rules.dataset}', which is none of 'further_datasets'"
                )
        if self.checker_options and self.submittable:
            raise ValueError("only a demonstration has 'checker_options'; remove them")
        return self

    @model_validator(mode="after")
    def _has_a_folder_for_each_scenario(self) -> Self:
        names = [rules.folder.lower() for rules in self.scenarios.values()]
        for name, rules in self.scenarios.items():
            if names.count(rules.folder.lower()) > 1:
                raise ValueError(
                    f"scenario '{name}' has the folder '{rules.folder}' of another scenario; give it its own"
                )
        return self

    @property
    def of_dataset(self) -> int:
        """Number of samples in the dataset, of which only the first may be used."""
        return self.dataset_samples or self.samples

    @property
    def reference(self) -> str:
        """What finds the round again, such as BENCHMARK/NAME@CATEGORY."""
        category = f"@{self.category}" if self.category else ""
        return f"{self.benchmark}/{self.name}{category}" + (
            f"+accuracy={self.accuracy}" if self.accuracy else ""
        )

    @property
    def folder(self) -> str:
        """Name of the benchmark's folder in a submission tree."""
        return self.tree_name or self.benchmark

    @property
    def tree_names(self) -> frozenset[str]:
        """Names by which the official checker knows that folder: LoadGen's name of the benchmark too."""
        return frozenset({self.folder, *([self.loadgen.model] if self.loadgen else [])})

    def completed_sampling(self, own: Sampling) -> Sampling:
        """Return sampling parameters with the round's where `own` sets none."""
        return self.sampling.model_copy(update=own.model_dump(exclude_none=True))

    @property
    def runs_are_independent(self) -> bool:
        """Whether servers may reuse no work of earlier queries: what ran before then cannot help a run."""
        return set(ServerFeature) <= set(self.server_must_not)

    @property
    def held_to_rules(self) -> bool:
        """Whether results are held to all rules: of a submittable round, and of one that was withdrawn."""
        return self.submittable or self.withdrawn is not None

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
    def endpoints_rules(self) -> EndpointsRules:
        """The official endpoints client's commits and settings.

        Raises:
            InputError: the round does not use it.
        """
        if self.endpoints is None:
            raise InputError(
                f"round {self.name} does not use the official endpoints client; choose another round."
            )
        return self.endpoints

    @property
    def main_metric(self) -> str:
        """Name of the metric that tables show."""
        return next(iter(self.metrics))

    @property
    def scenario_folders(self) -> tuple[str, ...]:
        """Folders of scenarios that a submission tree may have; for some the round may hold no rules."""
        return tuple(dict.fromkeys((*(rules.folder for rules in self.scenarios.values()), *self.one_of)))

    def missing_folders(self, found: Collection[str]) -> tuple[str, ...]:
        """Return what a submission in the closed division lacks, such as 'Offline' or 'one of A and B'.

        Args:
            found: Folders of the scenarios that it has.
        """
        has = {name.casefold() for name in found}  # how a name is written is another matter
        needed = [rules.folder for rules in self.scenarios.values() if rules.required]
        missing = [folder for folder in needed if folder.casefold() not in has]
        if self.one_of and has.isdisjoint(folder.casefold() for folder in self.one_of):
            missing.append(f"one of {' and '.join(self.one_of)}")
        return tuple(missing)

    def streams(self, scenario: ScenarioRules) -> bool:
        """Return whether runs of a scenario need streamed answers: its driver measures their first tokens."""
        if scenario.endpoints is not None:
            return scenario.endpoints.streaming
        return self.loadgen is not None and self.loadgen.token_latencies and not scenario.offline

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
