"""The results that the official client writes: its summary of a performance phase, and its scores.

What they say is what it declares; whether that is so is for the gates. Times are in ns, as in the files.
Source: metrics/report.py, evaluation/scoring.py and commands/benchmark/accuracy.py in mlcommons/endpoints
@ ea332753 (generation 1).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from weighbridge.core.models import ForeignModel
from weighbridge.endpoints.written_config import WrittenConfig
from weighbridge.records.official_client import (
    ACCURACY_RESULTS,
    RESULT_SUMMARY,
    SNAPSHOT,
    WRITTEN_CONFIG,
    client_folder,
)

# No run has more; what is computed of more would take forever.
_Count = Annotated[int, Field(ge=0, le=50_000_000)]
_Duration = Annotated[int, Field(ge=0, le=10**18)]


def _inside(name: str) -> str:
    if not 0 < float(name) < 100:
        raise ValueError(f"{name} is not between 0 and 100")
    return name


_Percentile = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,9})?$"), AfterValidator(_inside)]


class ReportedSeries(ForeignModel):
    """A series of values; percentiles by their names in the file, such as '99.0'."""

    total: float | None = None
    min: float | None = None
    max: float | None = None
    avg: float | None = None
    percentiles: dict[_Percentile, float | None] = Field(default={})
    early_stopping_percentiles: dict[_Percentile, float | None] | None = Field(
        default=None, description="Upper bounds of percentiles with 99 % confidence; null: too few samples."
    )

    def estimate(self, percentile: float) -> float | None:
        """Return the early-stopping estimate of a percentile, which is a share; None: there is none."""
        return _at(self.early_stopping_percentiles or {}, percentile)

    def percentile(self, percentile: float) -> float | None:
        """Return a percentile, which is a share; None: there is none."""
        return _at(self.percentiles, percentile)


def _at(values: dict[str, float | None], percentile: float) -> float | None:
    # By the client's own name of it alone, which is what the official checker reads too.
    return values.get(str(round(100 * percentile, 6)))


class ResultSummary(ForeignModel):
    """result_summary.json: the performance phase."""

    version: str | None = None
    git_sha: str | None = None
    n_samples_issued: _Count | None = None
    n_samples_completed: _Count | None = Field(default=None, description="Failed ones are among them.")
    n_samples_failed: _Count | None = None
    duration_ns: _Duration | None = None
    state: str | None = None
    complete: bool | None = None
    ttft: ReportedSeries | None = None
    tpot: ReportedSeries | None = None
    latency: ReportedSeries | None = None
    output_sequence_lengths: ReportedSeries | None = None
    legacy_loadgen_window_duration_ns: _Duration | None = None
    qps: float | None = None
    tps: float | None = None
    finish_reason_counts: dict[str, int] | None = None


class ResponseCounts(ForeignModel):
    """What became of the queries of an accuracy phase."""

    issued: int | None = None
    scored: int | None = None
    empty: int | None = None
    missing: int | None = None


class AccuracyScore(ForeignModel):
    """The score of one dataset."""

    dataset_name: str = ""
    dataset_type: str | None = None
    extractor: str | None = None
    ground_truth_column: str | None = None
    score: Any = Field(default=None, description="A number; of several metrics an object of texts.")
    num_repeats: int | None = None
    total_samples: int | None = None
    complete: bool | None = None
    response_counts: ResponseCounts | None = None


class AccuracyResults(ForeignModel):
    """accuracy_results.json."""

    accuracy_scores: tuple[AccuracyScore, ...] = ()


class SnapshotMetric(ForeignModel):
    """One metric of the client's last snapshot."""

    type: str = ""
    name: str = ""
    value: float | None = None


class Snapshot(ForeignModel):
    """final_snapshot.json: the client's counters, warm-up included where they are called total."""

    state: str | None = None
    metrics: tuple[SnapshotMetric, ...] = ()

    def counter(self, name: str) -> int | None:
        """Return a counter's value; None: there is none."""
        found = (each.value for each in self.metrics if (each.type, each.name) == ("counter", name))
        return next((int(value) for value in found if value is not None), None)


@dataclass(frozen=True)
class ClientResults:
    """What the client wrote about one run; None: that file is missing.

    Attributes:
        folder: Its report.
        config: What it resolved.
        summary: The performance phase.
        accuracy: The scores.
        snapshot: Its counters.
    """

    folder: Path
    config: WrittenConfig | None
    summary: ResultSummary | None
    accuracy: AccuracyResults | None
    snapshot: Snapshot | None

    @classmethod
    def read(cls, run: Path) -> "ClientResults":
        """Read what there is in a run's folder, or in a scenario's folder of a submission tree.

        Raises:
            InputError: a file is damaged.
        """
        folder = client_folder(run)
        config, summary = folder / WRITTEN_CONFIG, folder / RESULT_SUMMARY
        accuracy, snapshot = folder / ACCURACY_RESULTS, folder / SNAPSHOT
        return cls(
            folder=folder,
            config=WrittenConfig.read(config) if config.is_file() else None,
            summary=ResultSummary.read(summary) if summary.is_file() else None,
            accuracy=AccuracyResults.read(accuracy) if accuracy.is_file() else None,
            snapshot=Snapshot.read(snapshot) if snapshot.is_file() else None,
        )
