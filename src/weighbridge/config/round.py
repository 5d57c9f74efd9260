"""A benchmark round as data: every constant that the rules fix, read from workflow/rounds/NAME.yaml."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field

from weighbridge.benchmarks.qwen3_vl.prompt import PromptPins
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model, read_data
from weighbridge.core.terms import Scenario

ROUNDS_FOLDER = Path(__file__).parents[1] / "benchmarks" / "qwen3_vl" / "rounds"


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

    model: str = Field(description="LoadGen's name of the benchmark; a wrong one silently loses its limits.")
    versions: tuple[str, ...] = Field(description="Releases that carry the round's seeds.")
    seeds: Seeds
    token_latencies: bool = Field(
        default=False, description="LoadGen measures to the first token; needs streamed requests."
    )
    whole_passes: bool = Field(
        default=True, description="LoadGen issues every sample equally often; off only in runs that probe."
    )


class ScenarioRules(Model):
    """Floors and limits of one scenario."""

    min_duration_s: float = Field(gt=0)
    min_query_count: int = Field(gt=0, description="Offline: samples; Server: queries of one sample.")
    target_latency_s: float | None = Field(default=None, gt=0, description="Limit of the percentile.")
    target_percentile: float = Field(default=0.99, gt=0, lt=1)


class AccuracyRules(Model):
    """The floor of the score, and the other readings of the same rule in circulation."""

    metric: str
    floor: float = Field(description="Our gate: the strictest reading.")
    readings: dict[str, float] = Field(description="Name of each reading of the rule, and its floor.")
    reference_mean: float | None = Field(default=None, description="Mean score of the reference model.")
    reference_sd: float | None = Field(default=None, description="Its standard deviation over runs.")


class Round(Model):
    """Everything a round fixes. A demo round keeps the limits and shrinks the counts and durations."""

    name: str
    submittable: bool = Field(description="False marks every number of this round as a demonstration.")
    simulated: bool = Field(default=False, description="True: no model answers; the speed is made up too.")
    benchmark: str = Field(description="The benchmark's directory in a submission tree.")
    task: str = Field(description="A task of weighbridge.tasks: columns, prompt, scorer.")
    checker_version: str | None = Field(
        description="The official checker's --version; null: no official one."
    )
    vllm_version: str
    client: str = Field(description="The client's environment, envs/client-NAME.yaml: it has the LoadGen.")
    max_tokens: int | None = Field(
        default=None, description="The answers' length limit, sent when no other is set; null: none."
    )
    samples: int = Field(gt=0, description="Samples of the dataset, all of which every run covers.")
    system_types: tuple[str, ...] = Field(description="What a system that takes part may be called.")
    splits: tuple[str, ...] = Field(description="Dataset splits, in the order that numbers the samples.")
    prompt: PromptPins
    server_must_not: tuple[ServerFeature, ...] = Field(
        default=(), description="What the model server must have switched off."
    )
    loadgen: LoadGenRules
    accuracy: AccuracyRules
    scenarios: dict[Scenario, ScenarioRules]


def load_round(name_or_path: str, folder: Path = ROUNDS_FOLDER) -> Round:
    """Read a round by name (from `folder`) or by the path of its file.

    A file may say `extends: NAME`, and then holds only what differs from that round beside it.

    Raises:
        InputError: no such round (the known names are listed), or a wrong value in its file.
    """
    path = round_file(name_or_path, folder)
    return Round.parse(_read_extended(path, ()), str(path))


def round_file(name_or_path: str, folder: Path = ROUNDS_FOLDER) -> Path:
    """Find a round's file.

    Raises:
        InputError: no such round (the known names are listed).
    """
    if name_or_path.endswith(".yaml"):
        return Path(name_or_path)
    path = folder / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise InputError(f"round '{name_or_path}' does not exist; the rounds in {folder} are: {known}.")
    return path


def _read_extended(path: Path, extending: tuple[Path, ...]) -> Any:
    if path in extending:
        raise InputError(f"{path}: extends itself; name another round.")
    data = read_data(path)
    if not isinstance(data, dict) or "extends" not in data:
        return data
    base = _read_extended(round_file(str(data["extends"])), (*extending, path))
    return _laid_over(base, {key: value for key, value in data.items() if key != "extends"})


def _laid_over(base: Any, changes: Any) -> Any:
    """Lay changes over a base, section by section."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    return base | {key: _laid_over(base.get(key), value) for key, value in changes.items()}
