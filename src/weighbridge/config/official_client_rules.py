"""Rules of a round whose results the official endpoints client, mlcommons/endpoints, makes, as data."""

from typing import Annotated, Literal

from pydantic import Field

from weighbridge.core.models import FolderName, Model

Seed = Annotated[int, Field(ge=0, lt=2**64)]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class EndpointsSeeds(Model):
    """The two seeds that a round announces for the client."""

    scheduler: Seed = Field(description="Of the gaps between queries.")
    dataloader: Seed = Field(description="Of the order of samples; also of the warm-up.")


class EndpointsScoring(Model):
    """How the client scores an accuracy phase, in its own names."""

    eval_method: FolderName
    ground_truth: FolderName = Field(description="Column of its dataset with the right answers.")
    extractor: FolderName


class EndpointsDrive(Model):
    """How the client issues the queries of a scenario, in its own names."""

    type: Literal["offline", "online"] = Field(description="The client's name of the kind of test.")
    load_pattern: Literal["max_throughput", "poisson"] = Field(
        description="max_throughput: all queries at once; poisson: at Poisson-distributed times."
    )
    streaming: bool = Field(description="Whether answers are streamed, as times to first tokens need.")
    dataset: str = Field(
        pattern=r"^[a-z0-9_]+::[a-z0-9_]+$",
        description="The client's preset of dataset and prompt, as NAME::PRESET.",
    )


class EndpointsRules(Model):
    """The client's commits and settings in a round."""

    commits: tuple[Commit, ...] = Field(
        min_length=1, description="Commits of the client whose results are accepted."
    )
    commits_note: str | None = Field(
        default=None,
        description="What a README says of them, as where the rules name another commit; null: nothing.",
    )
    generation: Literal[1] = Field(
        description="Which form of configuration and results these commits have: 1 is that with "
        "min_duration_ms in the configuration and early-stopping estimates in the results."
    )
    ruleset: FolderName = Field(description="The client's name of the round, in submission_ref.")
    model: FolderName = Field(description="The client's name of the benchmark, in submission_ref.")
    seeds: EndpointsSeeds
    scoring: EndpointsScoring
    warmup_requests: int = Field(
        ge=0, lt=2**32, description="Queries that the client issues and drains before its clock; 0: none."
    )
    stated_duration_s: float | None = Field(
        default=None,
        gt=0,
        description="min_duration_ms of the configuration where it is not the scenario's shortest duration, "
        "as in a demonstration: the client only sizes runs by it, and we state their size.",
    )
