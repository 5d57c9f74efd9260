"""The configuration that the official client wrote: what it resolved, and so what it did.

Source: src/inference_endpoint/config/schema.py in mlcommons/endpoints @ ea332753 (generation 1).
"""

import re
from typing import Any, Literal

from pydantic import Field

from weighbridge.core.models import ForeignModel
from weighbridge.endpoints.client_config import MOST_SAMPLES, SIZING_SLACK, whole_passes

_OFFLINE_QPS = 10.0  # that the client assumes where it issues all queries at once
_OF_DATASETS = (
    "path",
    "format",
    "samples",
    "parser",
    "generate_params",
    "agentic_inference",
    "generation_config_override",
)


class _Ref(ForeignModel):
    model: str
    ruleset: str


class _ModelParams(ForeignModel):
    name: str = ""
    tokenizer_name: str | None = None
    max_new_tokens: int | None = None
    streaming: str | bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class _AccuracyConfig(ForeignModel):
    eval_method: str | None = None
    ground_truth: str | None = None
    extractor: str | None = None
    num_repeats: int | None = None
    extras: Any = None

    @property
    def words(self) -> str:
        """How the phase is scored, in words."""
        return f"{self.eval_method} of {self.ground_truth} by {self.extractor}"


class _Dataset(ForeignModel):
    name: str = ""
    type: str = "performance"
    accuracy_config: _AccuracyConfig | None = None
    # What follows goes over the settings of the whole run, for this dataset alone.
    path: Any = None
    format: Any = None
    samples: Any = None
    parser: Any = None
    generate_params: Any = None
    agentic_inference: Any = None
    generation_config_override: Any = None

    @property
    def own_settings(self) -> tuple[str, ...]:
        """Names of the settings that it changes for itself."""
        names = (name for name in _OF_DATASETS if getattr(self, name) is not None)
        scoring = self.accuracy_config
        return (*names, *(["extras"] if scoring is not None and scoring.extras is not None else []))


class _Runtime(ForeignModel):
    min_duration_ms: int | None = None
    max_duration_ms: int | None = None
    n_samples_to_issue: int | None = None
    scheduler_random_seed: int | None = None
    dataloader_random_seed: int | None = None


class _LoadPattern(ForeignModel):
    type: str | None = None
    target_qps: float | None = Field(default=None, ge=1e-6, le=1e9)
    target_concurrency: int | None = None


class _Warmup(ForeignModel):
    enabled: bool = False
    n_requests: int | None = None
    salt: bool = False
    drain: bool = False


class _ClientPart(ForeignModel):
    num_workers: int | None = None
    max_connections: int | None = None


class _Settings(ForeignModel):
    runtime: _Runtime = _Runtime()
    load_pattern: _LoadPattern = _LoadPattern()
    warmup: _Warmup = _Warmup()
    client: _ClientPart = _ClientPart()


class _EndpointConfig(ForeignModel):
    api_key: str | None = None


class WrittenConfig(ForeignModel):
    """config.yaml of the client's report: what it resolved, and so what it did; nulls are left out there."""

    name: str = ""
    type: str | None = None
    submission_ref: _Ref | None = None
    model_params: _ModelParams = _ModelParams()
    datasets: tuple[_Dataset, ...] = ()
    settings: _Settings = _Settings()
    endpoint_config: _EndpointConfig = _EndpointConfig()

    @property
    def key_variable(self) -> str | None:
        """Name of the variable with the endpoints' key, as we ask for it; None: there is no key."""
        named = re.fullmatch(r"\$\{(\w+)\}", self.endpoint_config.api_key or "")
        return named[1] if named else None

    @property
    def streams(self) -> bool | None:
        """Whether answers were streamed; None: not known."""
        value = self.model_params.streaming
        if isinstance(value, bool) or value is None:
            return value  # YAML 1.1 reads an unquoted on as true
        return {"on": True, "off": False}.get(value)

    def samples_planned(self, samples: int) -> int | None:
        """Return how many samples the performance phase issues, by its settings; None: they do not say.

        Where no count is set, the client takes whole passes for a while longer than the shortest duration.

        Args:
            samples: Of the dataset.
        """
        runtime, load = self.settings.runtime, self.settings.load_pattern
        if runtime.n_samples_to_issue is not None:
            return runtime.n_samples_to_issue
        rate = load.target_qps or (_OFFLINE_QPS if load.type == "max_throughput" else None)
        if rate is None or runtime.min_duration_ms is None:
            return None
        wanted = SIZING_SLACK * rate * runtime.min_duration_ms / 1000
        if not wanted <= MOST_SAMPLES:
            return None
        return whole_passes(wanted, samples)

    def of_type(self, kind: Literal["performance", "accuracy"]) -> tuple[_Dataset, ...]:
        """Return the datasets of a phase."""
        return tuple(dataset for dataset in self.datasets if dataset.type == kind)
