"""What a peak search writes down: every probe with its verdict, and the rate that was confirmed."""

from typing import Literal

from pydantic import Field

from weighbridge.core.models import Model

PEAK = "peak.json"


class Probe(Model):
    """One run of the search: a short probe, or a confirmation of full length."""

    number: int = Field(ge=1, description="Its place in the search, confirmations counted too.")
    kind: Literal["probe", "confirmation"]
    target_qps: float = Field(gt=0, description="Queries/s to issue.")
    full_length: bool = Field(description="As long as the round wants it, and judged by the round's gates.")
    passed: bool
    reason: str = Field(description="Why it passed or not, in one sentence.")
    duration_s: float = Field(ge=0, description="From the first issue to the last end.")
    queries: int = Field(ge=0, description="Issued.")
    judged: int = Field(ge=0, description="Of these, those after the ramp, which alone are judged.")
    over_latency: int = Field(ge=0, description="Judged queries that took longer than the round's limit.")
    over_latency_allowed: int = Field(ge=0, description="As many may: early stopping's share of a full run.")
    failed: int = Field(ge=0, description="Requests that failed; any fails the probe.")
    achieved_qps: float = Field(ge=0, description="Completed queries/s.")
    p50_latency_s: float | None = Field(description="Of the judged queries; null where none was judged.")
    p99_latency_s: float | None = Field(description="Likewise.")
    growth: float | None = Field(
        description="Seconds by which latency surely grows each second; null where no growth is sure."
    )
    cut_off: bool = Field(description="True: ended early, because its queue grew beyond what can pass.")
    started: str = Field(description="UTC, ISO 8601.")
    folder: str = Field(description="Of its logs, from the run directory.")


class Peak(Model):
    """All of peak.json."""

    round: str
    submittable: bool = Field(description="False: a demonstration, nobody's result.")
    peak_qps: float = Field(gt=0, description="The highest rate that a full-length run confirmed.")
    confirmed_by: str = Field(description="Folder of that run, from the run directory.")
    lowest_failed_qps: float | None = Field(description="The lowest rate seen to fail; null if none did.")
    offline_qps: float = Field(gt=0, description="Rate of the Offline run that the search started from.")
    tolerance: float = Field(gt=0, description="Wanted ratio between the two rates, less one.")
    target_latency_s: float
    probes: tuple[Probe, ...] = Field(description="In the order in which they ran.")
