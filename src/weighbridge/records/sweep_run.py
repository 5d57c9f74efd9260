"""run.json of a sweep's cell: what one run of one system measured, and whether it may be compared."""

from pydantic import Field

from weighbridge.config.load_level import LoadLevel
from weighbridge.core.models import Model
from weighbridge.records.run_record import Host, LoadReport, ServerRecord, TelemetryBrief
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.records.verdict import Check

CELL_RECORD = "run.json"


class Percentiles(Model):
    """A distribution over the measured requests; null: too few samples for this percentile."""

    samples: int
    mean: float
    p50: float
    p90: float
    p99: float | None = Field(default=None, description="From 1,000 samples.")
    p999: float | None = Field(default=None, description="From 10,000 samples.")


class Reuse(Model):
    """How much of the prompts came from caches."""

    share: float | None = Field(description="Of the prompt tokens; null: not known.")
    expected: float = Field(description="Largest share that the workload's own repetitions explain.")
    source: str = Field(description="usage, the server's counters, or why it is not known.")


class CellFigures(Model):
    """What one run measured. Times in s. Docs: docs/comparing.md has each definition."""

    window_s: float = Field(
        description="From the start of the first measured conversation to that of the first cool-down one; "
        "starts are due times in open loops."
    )
    requests: int = Field(description="Measured requests; a turn is a request.")
    conversations: int = Field(description="Measured conversations.")
    failed: int = Field(
        description="Measured requests that failed, or were never sent because an earlier turn failed."
    )
    qps: float = Field(description="Requests/s of any phase that ended well within the window.")
    conversations_per_s: float = Field(description="Conversations/s whose last turn did.")
    output_tps: float | None = Field(
        description="Output tokens/s that arrived within the window: those of an answer are spread evenly "
        "from its first content to its last, or arrive at its end if it is not streamed. Null: not reported."
    )
    qps_whole_run: float = Field(
        description="Measured requests by the time from the first one's start to the last one's end; for "
        "comparison with other tools alone."
    )
    goodput: float | None = Field(
        default=None,
        description="Requests/s that started in the window and met every objective, whenever they ended; an "
        "answer of one token meets that of TPOT. Null: no objective is set.",
    )
    goodput_share: float | None = Field(
        default=None,
        description="Share of the requests started in the window that met every objective; failed ones count "
        "as not good.",
    )
    ttft: Percentiles | None = Field(
        default=None,
        description="From sending (open loops: from due time) to the first content; null: not streamed.",
    )
    e2e: Percentiles | None = Field(
        default=None, description="From sending (open loops: from due time) to the end of the response."
    )
    tpot: Percentiles | None = Field(
        default=None,
        description="From the first content to the last, by the tokens after the first; of answers of two "
        "tokens or more.",
    )
    chunk_gap: Percentiles | None = Field(
        default=None,
        description="A request's mean gap between pieces of content, which hold any number of tokens; single "
        "gaps are not recorded.",
    )
    norm_latency: Percentiles | None = Field(default=None, description="e2e by output tokens.")
    tokens_per_chunk: float | None = Field(default=None, description="Of all measured answers together.")
    prompt_tokens: float | None = Field(description="Mean; null: not reported.")
    output_tokens: float | None = Field(description="Mean; null: not reported.")
    previous_turns: float = Field(description="Of a conversation: its turns before the last one, as a mean.")
    other_length_share: float | None = Field(
        description="Share of requests with another number of tokens than forced; null: not forced."
    )
    reuse: Reuse
    offered_qps: float | None = Field(
        default=None,
        description="Open loop: requests/s that were due in the window; a later turn is due its think time "
        "after the answer before it.",
    )
    sent_qps: float = Field(description="Requests/s that were sent in the window.")
    concurrency: float = Field(description="Mean number of conversations in progress in the window.")
    schedule_delay_p99_s: float = Field(description="From due time, or decision, to sending.")
    client_busy: float | None = Field(description="Busiest client process, as a share of its core.")
    trend: float = Field(description="Change of throughput over the window, by linear fit, as a share.")
    lag1: float = Field(description="Correlation of the throughput of successive tenths of the window.")
    steady: bool = Field(
        description="False: the trend is above 5 % or the correlation above 0.7, and more than noise."
    )
    overloaded: bool = Field(
        default=False, description="Open loop: requests pile up, so that latencies grow with the duration."
    )
    energy_j: float | None = Field(default=None, description="Of the accelerators, over the window.")
    out_of_order: int = Field(
        default=0, description="Requests whose times cannot follow each other: the clock was not monotonic."
    )


class CellRecord(Model):
    """Contents of run.json in a cell's folder."""

    sweep: str
    key: str = Field(description="sha256 over all that the run depends on; another key is another run.")
    wave: int
    block: int
    slot: int
    repeat: int = Field(default=1, description="Of several runs in one session.")
    system: str
    workload: str
    level: LoadLevel
    counts: PhaseCounts
    store_sha256: str
    sent_sha256: str | None = None
    code_sha256: str
    weighbridge_version: str
    host: Host
    server: ServerRecord
    reset: str = Field(description="How caches were emptied before the run, or why they were not.")
    load: LoadReport
    telemetry: TelemetryBrief | None = Field(
        default=None, description="Null: none was recorded, or it could not be written."
    )
    figures: CellFigures | None = Field(description="Null: the run ended early.")
    checks: tuple[Check, ...]

    @property
    def place(self) -> tuple[int, int, str, str]:
        """Wave, block, system, and the cell's name as the plan has it."""
        return self.wave, self.block, self.system, f"{self.workload}/{self.level.name}"

    @property
    def refused(self) -> tuple[Check, ...]:
        """Checks that forbid a comparison: failed, or unknown."""
        return tuple(check for check in self.checks if check.asked and check.passed is not True)
