"""comparison.json: the table of a sweep, one row for each system, workload and load."""

from collections.abc import Collection
from enum import StrEnum
from typing import Literal

from pydantic import Field

from weighbridge.core.models import Model
from weighbridge.records.quality_comparison import QualityComparison
from weighbridge.records.verdict import Check

COMPARISON, COMPARISON_PAGE = "comparison.json", "report.html"
"""Names of the two files of a comparison: for programs, and for people."""


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
    INDICATIVE_SAME = "indicative: same"


class Ratio(Model):
    """System by baseline of one metric: geometric mean over blocks, and its 95 % interval."""

    ratio: float = Field(description="Geometric mean over blocks.")
    low: float | None = Field(default=None, description="Null: fewer than three blocks.")
    high: float | None = Field(default=None, description="As `low`.")
    blocks: int = Field(description="Number of pairs.")
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

    mean: float = Field(description="Over blocks.")
    low: float | None = Field(default=None, description="Null: fewer than three blocks.")
    high: float | None = Field(default=None, description="As `low`.")
    blocks: int = Field(description="Number of blocks with a value.")


class SystemFigures(Model):
    """What one system did at one workload and load: means over blocks. Times in s."""

    figures: dict[str, Interval] = Field(
        description="By name, as in run.json; of distributions, such as ttft.p50, the mean of each run's. "
        "Without the blocks that the client disturbed, unless those are most. "
        "Derived ones: tps_per_user, output_tps_per_device, energy_per_token_j, cost_per_million_tokens."
    )
    per_block: dict[str, dict[str, float]] = Field(
        description="Each figure by block, such as w1/b1; of repeats in a session, their mean."
    )
    steady: bool = Field(description="Whether no run had a trend.")
    overloaded: bool = Field(default=False, description="A run was; then there are no latencies.")
    refused: tuple[Check, ...] = Field(
        default=(),
        description="Checks of single runs that forbid a comparison; `run` names block and repeat.",
    )
    disturbed: dict[str, str] = Field(
        default={},
        description="Blocks that no pair has, because the client was a limit, and the check that shows it.",
    )
    lost: dict[str, str] = Field(default={}, description="Blocks without figures, and why the run ended.")

    def usable(self, name: str) -> dict[str, float]:
        """Return a figure by block, without the blocks that no pair has."""
        return {
            block: value
            for block, value in self.per_block.get(name, {}).items()
            if block not in self.disturbed
        }

    def mean(self, name: str, blocks: Collection[str] | None = None) -> float | None:
        """Return the mean of a figure over these blocks, or over all; None: there is no value."""
        values = [
            value
            for block, value in self.per_block.get(name, {}).items()
            if blocks is None or block in blocks
        ]
        return sum(values) / len(values) if values else None


class ComparedCell(Model):
    """What each system did at one workload and load."""

    workload: str = Field(description="Its name.")
    level: str = Field(description="Name of the load, such as closed-32.")
    open: bool = Field(default=False, description="Whether conversations arrive by a clock of their own.")
    systems: dict[str, SystemFigures] = Field(description="By name; A-A is the baseline's second copy.")


class ComparisonRow(Model):
    """One system beside the baseline at one workload and load."""

    workload: str = Field(description="Its name.")
    level: str = Field(description="Name of the load, such as closed-32.")
    system: str = Field(description="Name of the other system.")
    metric: str = Field(
        description="What the verdict is by: qps; of open loops goodput if there are objectives, else "
        "e2e.p99, or e2e.p90 where a run has fewer than 1,000 requests."
    )
    blocks: tuple[str, ...] = Field(default=(), description="Pairs that were compared, such as w1/b1.")
    ratios: dict[str, Ratio] = Field(description="By metric; empty: not comparable.")
    result: ComparisonResult = Field(description="The verdict.")
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

    system: str = Field(description="Its name.")
    workload: str = Field(description="Its name.")
    capacity: Interval | None = Field(description="Largest mean requests/s over closed loops.")
    knee: str | None = Field(description="Smallest closed loop with 95 % of it.")
    slo_capacity: Interval | None = Field(
        default=None, description="Largest offered requests/s of which 99 % meet every objective."
    )
    slo_capacity_at_least: bool = Field(
        default=False, description="The highest load that was offered still meets them in every block."
    )
    capacity_ratio: Ratio | None = Field(default=None, description="By the baseline's.")
    slo_capacity_ratio: Ratio | None = Field(default=None, description="By the baseline's.")


class ComparedDescription(Model):
    """What a system is."""

    kind: str | None = Field(description="Kind of server, such as vLLM; null: not known.")
    version: str | None = Field(description="As the server reports it; null: it reports none.")
    model_name: str = Field(description="Name under which the model is served.")
    options: str = Field(description="What is special of it, as tables name it.")
    devices: int | None = Field(description="Accelerators; 0 or null: none, or not known.")
    dtype: str | None = Field(description="Data type of the weights; null: not known.")
    price_per_hour: float | None = Field(
        default=None, description="As the sweep's file says; null: no price."
    )
    attached: bool = Field(description="Whether its user runs it.")
    forced_lengths: str = Field(description="honoured, ignored, rejected or not asked.")
    identity: str = Field(description="sha256 over arguments, version and host: an anchor of two sweeps.")


class WorkloadDescription(Model):
    """What a workload is."""

    digest: str = Field(description="sha256 over the bytes of its store.")
    summary: str = Field(description="In one sentence.")


class SweepComparison(Model):
    """Contents of comparison.json."""

    schema_version: Literal[1] = Field(default=1, description="Rises if a field changes its meaning or goes.")
    sweep: str = Field(description="Name of the sweep.")
    weighbridge_version: str = Field(description="Version of the package that compared.")
    started: str = Field(description="Start of the first run: UTC, ISO 8601.")
    ended: str = Field(description="End of the last run: UTC, ISO 8601.")
    hosts: tuple[str, ...] = Field(description="Machines that ran the client.")
    baseline: str = Field(description="System that the others are compared with.")
    equivalence: float = Field(description="Share within which a difference counts as none, such as 0.05.")
    blocks: int = Field(description="Blocks that were planned.")
    phase_plan: str = Field(description="sha256 over phases and counts: equal ones may be compared later.")
    systems: dict[str, ComparedDescription] = Field(description="What each system is, by name.")
    workloads: dict[str, WorkloadDescription] = Field(description="What each workload is, by name.")
    cells: tuple[ComparedCell, ...] = Field(description="What was measured, in the order of rising loads.")
    rows: tuple[ComparisonRow, ...] = Field(description="Each system beside the baseline; empty: one system.")
    capacities: tuple[Capacity, ...] = Field(default=(), description="Of each system and workload.")
    quality: QualityComparison | None = Field(
        default=None, description="What each system answered; null: the sweep's file does not ask for it."
    )
    warnings: tuple[str, ...] = Field(default=(), description="What a reader must know of the whole sweep.")


def lower_is_better(metric: str) -> bool:
    """Return whether a smaller value of a metric is better: of times, energy and cost it is."""
    return metric.partition(".")[0] in _LOWER_IS_BETTER


_LOWER_IS_BETTER = (
    "ttft",
    "e2e",
    "tpot",
    "chunk_gap",
    "norm_latency",
    "energy_per_token_j",
    "cost_per_million_tokens",
)
