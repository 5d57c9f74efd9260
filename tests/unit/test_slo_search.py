"""The highest load that meets objectives: found on queues whose latencies are known."""

from collections.abc import Callable

import numpy as np
import pytest

from weighbridge.config.workload import Slo
from weighbridge.records.slo_capacity import SloCapacity, SloTrial
from weighbridge.records.sweep_run import CellFigures, Reuse
from weighbridge.simulate.queueing_theory import OpenLoop
from weighbridge.sweep.slo_search import LoadTrial, Measure, search_slo_capacity, slo_sentence

SERVERS, SERVICE_S = 8, 0.1
CAPACITY = SERVERS / SERVICE_S


def _figures(share: float, rate: float, requests: int = 2000, *, overloaded: bool = False) -> CellFigures:
    return CellFigures(
        window_s=requests / rate,
        requests=requests,
        conversations=requests,
        failed=0,
        qps=min(rate, CAPACITY),
        conversations_per_s=min(rate, CAPACITY),
        output_tps=None,
        qps_whole_run=rate,
        goodput=share * rate,
        goodput_share=share,
        ttft=None,
        e2e=None,
        tpot=None,
        chunk_gap=None,
        norm_latency=None,
        prompt_tokens=None,
        output_tokens=None,
        previous_turns=0,
        other_length_share=None,
        reuse=Reuse(share=None, expected=0, source="unknown"),
        sent_qps=rate,
        concurrency=1,
        schedule_delay_p99_s=0,
        client_busy=None,
        trend=0,
        lag1=0,
        steady=True,
        overloaded=overloaded,
    )


def _exceeds(rate: float, limit_s: float) -> float:
    return OpenLoop(rate, 1 / SERVICE_S, SERVERS).exceeds(limit_s) if rate < CAPACITY else 1.0


def _system(limit_s: float, tried: list[float], rng: np.random.Generator | None = None) -> Measure:
    """Return a queue whose requests exceed a limit as theory says, with the chance of so many requests."""

    def measure(rate: float, kind: str) -> LoadTrial:
        tried.append(rate)
        requests = 20_000 if kind == "confirmation" else 4000
        share = 1 - _exceeds(rate, limit_s)
        if rng is not None:
            share = rng.binomial(requests, share) / requests
        return LoadTrial(_figures(share, rate, requests, overloaded=rate >= CAPACITY), f"{len(tried)}")

    return measure


def _searched(measure: Measure, slo: Slo, tried: Callable[[SloTrial], None] = lambda _: None) -> SloCapacity:
    return search_slo_capacity("A", "chat", slo, measure, capacity=CAPACITY, tried=tried)


def _true_rate(limit_s: float) -> float:
    low, high = 1.0, CAPACITY
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _exceeds(middle, limit_s) <= 0.01 else (low, middle)
    return low


@pytest.mark.parametrize("limit_s", [0.462, 0.47, 0.515, 0.8, 2.0])
def test_the_highest_load_is_found_within_the_tolerance(limit_s: float) -> None:
    tried: list[float] = []
    found = _searched(_system(limit_s, tried), Slo(e2e_ms=1000 * limit_s))
    true = _true_rate(limit_s)
    assert found.rate is not None
    assert found.lowest_failed is not None
    assert true / 1.051 <= found.rate <= true < found.lowest_failed
    assert len(tried) <= 11
    assert found.trials[-1].kind == "confirmation"


def test_chance_moves_it_little() -> None:
    """The share's deviation is 0.16 points of a probe, and 0.07 of a confirmation."""
    rng = np.random.default_rng(3)
    rates = [_searched(_system(0.8, [], rng), Slo(e2e_ms=800)).rate for _ in range(30)]
    assert None not in rates
    assert np.mean(rates) == pytest.approx(_true_rate(0.8), rel=0.04)
    assert max(abs(rate / _true_rate(0.8) - 1) for rate in rates) < 0.1


def test_objectives_that_no_load_meets_are_said() -> None:
    tried: list[float] = []
    found = _searched(_system(0.1, tried), Slo(e2e_ms=100))
    assert found.rate is None
    assert len(tried) == 10
    assert "no load was confirmed in 10 runs, down to" in (found.reason or "")
    assert slo_sentence(found).startswith("A at chat: e2e <= 100 ms is not met: no load was confirmed")


def test_requests_that_pile_up_fail_however_lenient_the_objectives() -> None:
    def measure(rate: float, _: str) -> LoadTrial:
        return LoadTrial(_figures(1.0, rate, overloaded=rate > 60), "x")

    found = _searched(measure, Slo(e2e_ms=1e6))
    assert found.rate is not None
    assert 60 / 1.051 <= found.rate <= 60
    assert any(trial.reason.endswith("requests piled up") for trial in found.trials)


def test_a_run_that_ended_early_fails_its_load() -> None:
    def measure(rate: float, _: str) -> LoadTrial:
        if rate > 50:
            return LoadTrial(None, "x", ended_early="20 requests in a row failed")
        return LoadTrial(_figures(1.0, rate), "x")

    seen: list[SloTrial] = []
    found = _searched(measure, Slo(ttft_ms=500), seen.append)
    assert found.rate is not None
    assert 50 / 1.051 <= found.rate <= 50
    assert tuple(seen) == found.trials
    assert seen[0].reason == "the run ended early: 20 requests in a row failed"


def test_the_line_says_objectives_load_goodput_and_what_failed() -> None:
    found = _searched(_system(0.8, []), Slo(ttft_ms=500, tpot_ms=50))
    assert slo_sentence(found) == (
        f"A at chat: ttft <= 500 ms and tpot <= 50 ms for 99 % of requests up to "
        f"{found.rate:g} conversations/s ({found.goodput:.3g} good requests/s); "
        f"{found.lowest_failed:g}/s failed."
    )
