"""Check that what the official client's summary says twice agrees with itself."""

import math
from collections.abc import Iterator

from weighbridge.endpoints.client_results import ReportedSeries, ResultSummary, Snapshot
from weighbridge.records.official_client import SNAPSHOT
from weighbridge.records.verdict import Gate

_ALTERED = "The figures contradict each other: the file was altered, or is of another run."
_DIGITS = 1e-9
_SERIES = ("ttft", "tpot", "latency", "output_sequence_lengths")


def agreement_checks(gate: Gate, summary: ResultSummary, snapshot: Snapshot | None) -> None:
    """Check rate, series and counters.

    Args:
        gate: Takes the checks.
        summary: The summary.
        snapshot: The client's last counters; None: they were not kept, as the rules do not ask for them.
    """
    stated, computed = summary.qps, _computed_rate(summary)
    shown = "completed over duration" if computed is None else f"about {computed:.9g}"
    gate.holds("rate as computed", stated, shown, _agree(stated, computed), _ALTERED)
    faults = [fault for name in _SERIES for fault in _faults_of(name, getattr(summary, name))]
    latency, lengths = (
        each or ReportedSeries() for each in (summary.latency, summary.output_sequence_lengths)
    )
    window_ns = summary.legacy_loadgen_window_duration_ns or summary.duration_ns
    for name, value, total, parts, times in (
        ("mean latency", latency.avg, latency.total, summary.n_samples_completed, 1.0),
        ("tokens/s", summary.tps, lengths.total, window_ns, 1e9),
    ):
        if value is not None and total is not None and parts and not _agree(value, total / parts * times):
            faults.append(name)
    gate.holds("figures agree", "; ".join(faults) or "all", "with each other", not faults, _ALTERED)
    if snapshot is not None:
        counted = [snapshot.counter(f"tracked_samples_{name}") for name in ("issued", "completed", "failed")]
        told = [summary.n_samples_issued, summary.n_samples_completed, summary.n_samples_failed]
        gate.equals("counters", _counts(counted), _counts(told), f"{SNAPSHOT}: {_ALTERED}")


def _computed_rate(summary: ResultSummary) -> float | None:
    """Return what the rate must be: all but one query over LoadGen's window, or all over the duration."""
    completed, window_ns = summary.n_samples_completed, summary.legacy_loadgen_window_duration_ns
    if completed and window_ns:
        return (completed - 1) / window_ns * 1e9
    return completed / summary.duration_ns * 1e9 if completed and summary.duration_ns else None


def _faults_of(name: str, series: ReportedSeries | None) -> Iterator[str]:
    """Yield what contradicts itself in a series: percentiles out of order, estimates below them."""
    if series is None:
        return
    percentiles = {float(key): value for key, value in series.percentiles.items() if value is not None}
    ordered = [percentiles[key] for key in sorted(percentiles)]
    bounds = [value for value in (series.min, *ordered, series.max) if value is not None]
    if bounds != sorted(bounds):
        yield f"percentiles of {name}"
    # Parts that came together may be some microseconds out of order in the client, and no limit is on TPOT.
    if name != "tpot" and bounds and bounds[0] < 0:
        yield f"negative {name}"
    estimates = {float(key): value for key, value in (series.early_stopping_percentiles or {}).items()}
    if any(value is not None and value < percentiles.get(key, value) for key, value in estimates.items()):
        yield f"estimates of {name}"


def _agree(stated: float | None, computed: float | None) -> bool:
    return stated is not None and computed is not None and math.isclose(stated, computed, rel_tol=_DIGITS)


def _counts(counts: list[int | None]) -> str:
    return "{} issued, {} completed, {} failed".format(*counts)
