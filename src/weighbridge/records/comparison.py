"""comparison.json: the table of a sweep, one row for each system, workload and load."""

from enum import StrEnum

from pydantic import Field

from weighbridge.core.models import Model

COMPARISON = "comparison.json"


class ComparisonResult(StrEnum):
    """What a comparison found, in the words of the tables."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    """The difference lies within the equivalence margin."""
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    INDICATIVE_FASTER = "indicative: faster"
    """Of two sweeps at different times, which no alternation protects from drift."""
    INDICATIVE_SLOWER = "indicative: slower"


class Ratio(Model):
    """System by baseline of one metric: geometric mean over blocks, and its 95 % interval."""

    ratio: float
    low: float | None = Field(default=None, description="Null: fewer than three blocks.")
    high: float | None = None
    blocks: int
    p: float | None = Field(default=None, description="Of a paired t test; null: fewer than three blocks.")
    p_adjusted: float | None = Field(
        default=None, description="After Holm, over all rows; null: the row's verdict is not by this metric."
    )

    @property
    def half_width(self) -> float | None:
        """Half of the interval, as a share of the ratio."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2 / self.ratio


class Interval(Model):
    """A mean over blocks and its 95 % interval."""

    mean: float
    low: float | None = Field(default=None, description="Null: fewer than three blocks.")
    high: float | None = None
    blocks: int


class SystemFigures(Model):
    """What one system did at one workload and load: means over blocks. Times in s."""

    figures: dict[str, Interval] = Field(
        description="By name, as in run.json; of distributions, such as ttft.p50, the mean of each run's."
    )
    reuse: float | None = Field(description="Share of prompt tokens from caches; null: not known.")
    steady: bool
    tps_per_user: float | None = Field(default=None, description="1 by the median TPOT.")
    output_tps_per_device: float | None = None
    energy_per_token_j: float | None = None
    cost_per_million_tokens: float | None = None


class ComparedCell(Model):
    """What each system did at one workload and load."""

    workload: str
    level: str
    systems: dict[str, SystemFigures]


class ComparisonRow(Model):
    """One system beside the baseline at one workload and load."""

    workload: str
    level: str
    system: str
    metric: str = Field(description="What the verdict is by: qps, or e2e.p99 or goodput of open loops.")
    ratios: dict[str, Ratio] = Field(description="By metric; empty: not comparable.")
    result: ComparisonResult
    reasons: tuple[str, ...] = Field(default=(), description="Why it is not comparable, with remedies.")
    notes: tuple[str, ...] = Field(default=(), description="Warnings, such as that a run was not steady.")
    blocks_needed: int | None = Field(
        default=None, description="Blocks in total that would decide; null: it is decided, or not known."
    )
    noise_floor: bool = Field(default=False, description="The baseline beside its own copy.")

    @property
    def speed_up(self) -> Ratio | None:
        """The ratio that the verdict is by, as a speed-up: above 1 is better; None: not comparable."""
        found = self.ratios.get(self.metric)
        if found is None or not lower_is_better(self.metric):
            return found
        return Ratio(
            ratio=1 / found.ratio,
            low=None if found.high is None else 1 / found.high,
            high=None if found.low is None else 1 / found.low,
            blocks=found.blocks,
            p=found.p,
            p_adjusted=found.p_adjusted,
        )


class Capacity(Model):
    """What a system can do with one workload, over all loads."""

    system: str
    workload: str
    capacity: Interval | None = Field(description="Largest mean requests/s over closed loops.")
    knee: str | None = Field(description="Smallest closed loop with 95 % of it.")
    slo_capacity: Interval | None = Field(
        default=None, description="Largest offered requests/s of which 99 % meet every objective."
    )
    capacity_ratio: Ratio | None = None
    slo_capacity_ratio: Ratio | None = None


class ComparedDescription(Model):
    """What a system is."""

    kind: str | None
    version: str | None
    model_name: str
    options: str
    devices: int | None
    dtype: str | None
    price_per_hour: float | None = None
    attached: bool
    forced_lengths: str = Field(description="honoured, ignored, rejected or not asked.")
    identity: str = Field(description="sha256 over arguments, version and host: an anchor of two sweeps.")


class WorkloadDescription(Model):
    """What a workload is."""

    digest: str = Field(description="sha256 over the bytes of its store.")
    summary: str = Field(description="In one sentence.")


class SweepComparison(Model):
    """Contents of comparison.json."""

    schema_version: int = 1
    sweep: str
    weighbridge_version: str
    started: str
    ended: str
    hosts: tuple[str, ...]
    baseline: str
    equivalence: float
    blocks: int
    phase_plan: str = Field(description="sha256 over phases and counts: equal ones may be compared later.")
    systems: dict[str, ComparedDescription]
    workloads: dict[str, WorkloadDescription]
    cells: tuple[ComparedCell, ...]
    rows: tuple[ComparisonRow, ...]
    capacities: tuple[Capacity, ...] = ()
    warnings: tuple[str, ...] = ()


def lower_is_better(metric: str) -> bool:
    """Return whether a smaller value of a metric is better: times are, rates are not."""
    return metric.partition(".")[0] in ("ttft", "e2e", "tpot", "chunk_gap", "norm_latency")
