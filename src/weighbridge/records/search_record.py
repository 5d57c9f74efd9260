"""peak.json: the result of a peak search, with every probe and the confirmed rate."""

from typing import Literal

from pydantic import Field

from weighbridge.core.models import Model
from weighbridge.records.verdict import LatencyFigures

PEAK = "peak.json"
PROBE = "probe.json"  # in the folder of each probe, beside its logs
PROBE_FOLDER = "probe"  # in the folder of a run: the probe at its rate, before it


class Probe(Model):
    """One run of the search: a short probe, or a confirmation of full length."""

    number: int = Field(ge=1, description="Sequence number in the search; confirmations are counted too.")
    kind: Literal["probe", "confirmation"]
    target_qps: float = Field(gt=0, description="Queries/s to issue.")
    full_length: bool = Field(
        description="True: as long as the round requires, and judged by the round's gates."
    )
    passed: bool
    reason: str = Field(description="Why it passed or failed, in one sentence.")
    duration_s: float = Field(ge=0, description="From the first issue to the last completion.")
    queries: int = Field(ge=0, description="Number of queries issued.")
    judged: int = Field(ge=0, description="Queries after the ramp; only these are judged.")
    over_latency: int = Field(
        ge=0, description="Judged queries over the round's first limit: of latency, else of the first token."
    )
    over_latency_allowed: int = Field(
        ge=0, description="Largest number allowed: the share that early stopping allows in a full run."
    )
    failed: int = Field(ge=0, description="Failed requests; a single one fails the probe.")
    achieved_qps: float = Field(ge=0, description="Completed queries/s.")
    p50_latency_s: float | None = Field(
        description="Of the judged queries, by the first limit; null if none was judged or some failed."
    )
    p99_latency_s: float | None = Field(
        description="Of the judged queries, by the first limit; null if none was judged or some failed."
    )
    judged_limits: dict[str, LatencyFigures] = Field(
        default={}, description="Each limit as it was judged, by name, where there are others than latency."
    )
    growth: float | None = Field(
        description="Latency growth in s per s, where statistically certain; null: no certain growth."
    )
    cut_off: bool = Field(
        description="True: ended early because the queue grew too long for the probe to pass."
    )
    started: str = Field(description="UTC, ISO 8601.")
    folder: str = Field(description="Folder of its logs, relative to the run directory.")


class Peak(Model):
    """Contents of peak.json."""

    round: str
    submittable: bool = Field(description="False: a demonstration; do not cite these numbers.")
    not_submittable_because: str | None = Field(
        default=None, description="Reason, if it is not that the round is a demonstration."
    )
    peak_qps: float = Field(gt=0, description="Highest rate in queries/s that a full-length run confirmed.")
    confirmed_by: str = Field(description="Folder of that run, relative to the run directory.")
    lowest_failed_qps: float | None = Field(
        description="Lowest rate in queries/s that failed; null if none did."
    )
    offline_qps: float = Field(
        gt=0, description="Rate in samples/s of the Offline run that the search started from."
    )
    tolerance: float = Field(
        gt=0,
        description="Largest ratio between failed and confirmed rate, minus 1, at which the search stops.",
    )
    started_from: str | None = Field(
        default=None, description="The first rate in words: its share, the Offline run; null: not recorded."
    )
    target_latency_s: float = Field(
        description="The first of the round's limits: of latency, else of the time to the first token, else "
        "of that per output token."
    )
    limits_s: dict[str, float] = Field(
        default={},
        description="All limits that were judged, by name (latency, ttft, tpot); empty: not recorded.",
    )
    probes: tuple[Probe, ...] = Field(
        description="All probes and confirmations, in the order in which they ran."
    )
