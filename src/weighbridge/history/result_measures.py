"""The figures of a finished result, as a history has them: speeds and scores, with their intervals."""

from collections.abc import Iterator, Mapping
from typing import Literal

from weighbridge.config.quality_settings import MmluSettings
from weighbridge.core.formatting import metric_label
from weighbridge.core.models import Sha256
from weighbridge.records.comparison import ComparisonResult, Interval, SweepComparison
from weighbridge.records.history_entry import HistoryMeasure
from weighbridge.records.quality_comparison import SystemQuality
from weighbridge.records.quality_scores import DomainAccuracy, OverallQuality
from weighbridge.records.verdict import Verdict

Better = Literal["higher", "lower"]
SPEED_UP_UNIT = "x"


def verdict_measures(
    verdict: Verdict, performance: Sha256 | None, accuracy: Sha256 | None
) -> tuple[HistoryMeasure, ...]:
    """Return rate, latencies and gated metrics of a verdict, as far as they are known.

    Args:
        verdict: The verdict.
        performance: Sha256 of the performance run's record; None: there is none.
        accuracy: Likewise of the accuracy run.
    """
    return (*_speeds(verdict, performance), *_scores(verdict, accuracy))


def _speeds(verdict: Verdict, run: Sha256 | None) -> Iterator[HistoryMeasure]:
    unit, _, percentile = verdict.rate_unit.partition(" (")
    rated: tuple[str, str, Better] = ("rate", unit, "higher")
    if percentile:  # of a scenario whose result is a latency: 's (p90)'
        rated = (f"latency {percentile.rstrip(')')}", unit, "lower")
    figures: dict[str, tuple[float | None, str, Better]] = {rated[0]: (verdict.rate, *rated[1:])}
    if verdict.has_latencies:
        figures |= {
            "latency p50": (verdict.p50_latency_s, "s", "lower"),
            "latency p99": (verdict.p99_latency_s, "s", "lower"),
            "latency p99, estimate": (verdict.latency_estimate_s, "s", "lower"),
        }
    for name, latency in (("TTFT", verdict.ttft), ("TPOT", verdict.tpot)):
        if latency is not None:
            figures[f"{name} p99"] = (latency.p99_s, "s", "lower")
    if unit != "tokens/s":
        figures["output tokens"] = (verdict.tokens_per_s, "tokens/s", "higher")
    for name, (value, of, better) in figures.items():
        if value is not None:
            yield HistoryMeasure(
                name=name, value=value, unit=of, aspect="speed", better=better, measured_by=run
            )


def _scores(verdict: Verdict, run: Sha256 | None) -> Iterator[HistoryMeasure]:
    for name, value in verdict.scores.items():
        if value is not None:
            yield HistoryMeasure(
                name=metric_label(name),
                value=value,
                unit="",
                aspect="score",
                better=_better(verdict, name),
                measured_by=run,
            )


def _better(verdict: Verdict, metric: str) -> Better:
    """Return which direction of a metric is better: an error rate has a ceiling, and no floor."""
    limits = [check.limit for check in verdict.checks if check.name == metric]
    return "lower" if limits and all(limit.startswith("<=") for limit in limits) else "higher"


def comparison_measures(
    comparison: SweepComparison, measured_by: Sha256 | None
) -> tuple[HistoryMeasure, ...]:
    """Return the speed-up of each row that could be compared; throughput and accuracy of each system."""
    return (
        *_speed_ups(comparison, measured_by),
        *_throughputs(comparison, measured_by),
        *_accuracies(comparison, measured_by),
    )


def _speed_ups(comparison: SweepComparison, measured_by: Sha256 | None) -> Iterator[HistoryMeasure]:
    for row in comparison.rows:
        found = row.speed_up
        if found is None or row.noise_floor or row.result is ComparisonResult.NOT_COMPARABLE:
            continue
        by = "" if row.metric == "qps" else f" by {row.metric}"
        yield HistoryMeasure(
            name=f"speed-up of {row.system} at {row.workload}, {row.level}{by}",
            value=found.ratio,
            unit=SPEED_UP_UNIT,
            aspect="speed",
            better="higher",
            low=found.low,
            high=found.high,
            measured_by=measured_by,
        )


def _throughputs(comparison: SweepComparison, measured_by: Sha256 | None) -> Iterator[HistoryMeasure]:
    for cell in comparison.cells:
        for name, system in cell.systems.items():
            rate: Interval | None = system.figures.get("qps")
            # Not of the baseline's second copy, and not what the client or a fault has decided.
            if name in comparison.systems and rate is not None and not system.refused:
                yield HistoryMeasure(
                    name=f"throughput of {name} at {cell.workload}, {cell.level}",
                    value=rate.mean,
                    unit="requests/s",
                    aspect="speed",
                    better="higher",
                    low=rate.low,
                    high=rate.high,
                    measured_by=measured_by,
                )


def _accuracies(comparison: SweepComparison, measured_by: Sha256 | None) -> Iterator[HistoryMeasure]:
    for name, found in comparison.quality.systems.items() if comparison.quality else ():
        asked = _asked_otherwise(found, made_up=found.made_up)
        yield _accuracy(f"accuracy of {name}{asked}", found.accuracy, found.low, found.high, measured_by)


def quality_measures(
    overall: OverallQuality, domains: Mapping[str, DomainAccuracy], measured_by: Sha256 | None
) -> tuple[HistoryMeasure, ...]:
    """Return the accuracy over all questions, and that in each domain."""
    asked = _asked_otherwise(overall, made_up=overall.source.made_up)
    return (
        _accuracy(f"accuracy{asked}", overall.overall_accuracy, overall.low, overall.high, measured_by),
        *(
            _accuracy(f"accuracy in {name}{asked}", of.accuracy, of.low, of.high, measured_by)
            for name, of in domains.items()
        ),
    )


def _asked_otherwise(result: OverallQuality | SystemQuality, *, made_up: bool) -> str:
    """Return how the questions were asked, as far as it is not the usual way: ' (chat, 0-shot)'.

    Accuracies of other protocols, shots or questions are other figures, and no steps of a trend.
    """
    usual = MmluSettings()
    parts = (
        ("made up", made_up),
        (str(result.protocol), result.protocol != usual.protocol),
        (f"{result.shots}-shot", result.shots != usual.shots),
        ("beginning of sequence added", result.bos),
        (f"limited to {result.limited}", result.limited is not None),
    )
    unusual = [text for text, there in parts if there]
    return f" ({', '.join(unusual)})" if unusual else ""


def _accuracy(name: str, value: float, low: float, high: float, measured_by: Sha256 | None) -> HistoryMeasure:
    return HistoryMeasure(
        name=name,
        value=value,
        unit="",
        aspect="score",
        better="higher",
        low=low,
        high=high,
        measured_by=measured_by,
    )
