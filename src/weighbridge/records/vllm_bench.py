"""The result file of `vllm bench serve --save-result --save-detailed`, as its `sweep plot` reads it too."""

from pydantic import Field

from weighbridge.core.models import ForeignModel

VLLM_SUMMARY = "summary.json"
"""Name of the files with lists of such results that `vllm bench sweep plot` searches folders for."""


class VllmRun(ForeignModel):
    """One run. Names are vLLM's; times in s where no unit stands in the name."""

    date: str = ""
    backend: str = ""
    model_id: str = ""
    num_prompts: int
    request_rate: float | str = Field(default="inf", description="Requests/s; inf: all at once.")
    burstiness: float = 1.0
    max_concurrency: int | None = None
    duration: float = Field(gt=0)
    completed: int
    failed: int | None = Field(default=None, description="Null: of a release that does not say it.")
    total_input_tokens: int
    total_output_tokens: int | None = None
    request_throughput: float
    request_goodput: float | None = None
    output_throughput: float | None = None
    total_token_throughput: float | None = None
    max_concurrent_requests: int | None = None
    mean_ttft_ms: float | None = None
    median_ttft_ms: float | None = None
    p99_ttft_ms: float | None = None
    mean_tpot_ms: float | None = None
    median_tpot_ms: float | None = None
    p99_tpot_ms: float | None = None
    mean_itl_ms: float | None = None
    median_itl_ms: float | None = None
    p99_itl_ms: float | None = None
    mean_e2el_ms: float | None = None
    median_e2el_ms: float | None = None
    p99_e2el_ms: float | None = None
    run_number: int | None = None
    system: str | None = Field(default=None, description="Name in a sweep of ours; null: vLLM's own file.")
    workload: str | None = Field(default=None, description="Likewise.")
    level: str | None = Field(default=None, description="Likewise.")

    @property
    def failures(self) -> int:
        """Number of requests that did not end well."""
        return self.num_prompts - self.completed if self.failed is None else self.failed

    @property
    def load(self) -> str:
        """Name of its load in our terms, such as closed-8."""
        if self.level is not None:
            return self.level
        if not isinstance(self.request_rate, str):
            gamma = self.burstiness != 1
            kind = f"gamma-{self.request_rate:g}-{self.burstiness:g}" if gamma else ""
            return kind or f"poisson-{self.request_rate:g}"
        return "at-once" if self.max_concurrency is None else f"closed-{self.max_concurrency}"
