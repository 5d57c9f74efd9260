"""Formulas of queueing theory against reference values, to the digits that these have."""

import math

import numpy as np
import pytest

from weighbridge.simulate.behaviour import predict
from weighbridge.simulate.queueing_theory import (
    ClosedLoop,
    OpenLoop,
    ThinkingLoop,
    erlang_c,
    shared_mean_s,
)

HALF_A_DIGIT = 5.01e-6

CASES = [  # loop, X, mean R, p50, p90, p99; c = 8, S = 0.1 s
    (OpenLoop(40, 10, 8), 40, 0.10148, 0.07103, 0.23221, 0.46247),
    (OpenLoop(64, 10, 8), 64, 0.12860, 0.09863, 0.27846, 0.51522),
    (OpenLoop(76, 10, 8), 76, 0.31104, 0.24101, 0.65962, 1.23660),
    (ClosedLoop(32, 10, 8), 80, 0.4, 0.37954, 0.55062, 0.78099),
    (ClosedLoop(16, 10, 8), 80, 0.2, 0.17443, 0.33708, 0.56734),
    (ClosedLoop(4, 10, 8), 40, 0.1, 0.06931, 0.23026, 0.46052),
]


@pytest.mark.parametrize(("loop", "throughput", "mean_s", "p50_s", "p90_s", "p99_s"), CASES)
def test_loops_have_the_reference_values(
    loop: OpenLoop | ClosedLoop, throughput: float, mean_s: float, p50_s: float, p90_s: float, p99_s: float
) -> None:
    assert loop.throughput == pytest.approx(throughput)
    assert loop.mean_s == pytest.approx(mean_s, abs=HALF_A_DIGIT)
    found = [loop.quantile_s(share) for share in (0.5, 0.9, 0.99)]
    assert found == pytest.approx([p50_s, p90_s, p99_s], abs=HALF_A_DIGIT)


def test_waiting_times_have_the_reference_values() -> None:
    half, full = OpenLoop(40, 10, 8), OpenLoop(64, 10, 8)
    assert [half.waits, half.mean_wait_s] == pytest.approx([0.05904, 0.00148], abs=HALF_A_DIGIT)
    found = [full.waits, full.mean_wait_s, full.wait_quantile_s(0.99)]
    assert found == pytest.approx([0.45764, 0.02860, 0.23897], abs=HALF_A_DIGIT)
    assert half.wait_quantile_s(0.5) == 0


def test_a_loop_with_think_times_has_the_reference_values() -> None:
    loop = ThinkingLoop(32, 10, 8, 0.2)
    assert loop.throughput == pytest.approx(79.696, abs=5e-4)
    assert loop.mean_s == pytest.approx(0.20152, abs=HALF_A_DIGIT)
    assert loop.present == pytest.approx(16.06, abs=5e-3)
    assert loop.throughput * (loop.mean_s + 0.2) == pytest.approx(32)  # Little's law


def test_the_formula_for_many_servers_continues_those_for_few() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)  # M/M/1: the share of time that it is busy
    assert shared_mean_s(7, 0.1) == pytest.approx(OpenLoop(7, 10, 1).mean_s)
    one, near = OpenLoop(10, 10, 2), OpenLoop(10 + 1e-7, 10, 2)  # d = 0 has a formula of its own
    assert one.exceeds(0.3) == pytest.approx(near.exceeds(0.3), rel=1e-5)
    one_server, two = ClosedLoop(3, 10, 1), ClosedLoop(3, 10, 3)
    assert one_server.exceeds(0.3) == pytest.approx(math.exp(-3) * (1 + 3 + 4.5))  # three services
    assert two.quantile_s(0.5) == pytest.approx(0.1 * math.log(2))


def test_constant_service_times_have_the_simulated_reference_values() -> None:
    generator = np.random.default_rng(5)
    arrivals_s = np.cumsum(generator.exponential(1 / 64, 300_000))
    latency_s = predict(arrivals_s, np.full(300_000, 0.1), 8)
    assert latency_s.mean() == pytest.approx(0.11527, rel=0.01)
    found = np.percentile(latency_s, [50, 90, 99])
    assert found == pytest.approx([0.1, 0.15079, 0.21685], rel=0.03)
