"""Probes and a peak search for the tests of their readers."""

from weighbridge.records.search_record import Peak, Probe


def probe(number: int, rate: float, p99_s: float | None, *, full_length: bool = False) -> Probe:
    """Return a probe that passed if its p99 is within 12 s."""
    passed = p99_s is not None and p99_s <= 12
    return Probe(
        number=number,
        kind="confirmation" if full_length else "probe",
        full_length=full_length,
        target_qps=rate,
        passed=passed,
        reason="few queries were late" if passed else "too many queries were late",
        duration_s=60,
        queries=100,
        judged=80,
        over_latency=0 if passed else 40,
        over_latency_allowed=1,
        failed=0,
        achieved_qps=rate,
        p50_latency_s=1.0,
        p99_latency_s=p99_s,
        growth=None,
        cut_off=False,
        started="2026-01-01T00:00:00+00:00",
        folder=f"results/server/peak/{number}",
    )


def peak(*probes: Probe) -> Peak:
    """Return a search that confirmed the rate of its last probe."""
    return Peak(
        round="small",
        submittable=False,
        peak_qps=probes[-1].target_qps,
        confirmed_by=probes[-1].folder,
        lowest_failed_qps=None,
        offline_qps=24.0,
        tolerance=0.02,
        target_latency_s=12,
        probes=probes,
    )
