"""The predicted latencies against queueing theory, and the hash that decides a request's outcome."""

import heapq
import math
from itertools import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import InputError
from weighbridge.simulate.behaviour import Behaviour, OutcomeDraws, body_hash, predict, service_times

BODIES = [b"%d of many different bodies" % number for number in range(20_000)]


def erlang_c(servers: int, load: float) -> float:
    """Probability that an arrival waits in M/M/c (Erlang's second formula)."""
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last)


@pytest.mark.parametrize(
    ("rate", "mean_s", "p50_s", "p99_s"), [(40, 0.1015, 0.0710, 0.4625), (64, 0.1286, 0.0986, 0.5152)]
)
def test_eight_servers_match_queueing_theory(rate: float, mean_s: float, p50_s: float, p99_s: float) -> None:
    generator = np.random.default_rng(1)
    number = 400_000
    arrivals_s = np.cumsum(generator.exponential(1 / rate, number))
    latency_s = predict(arrivals_s, generator.exponential(0.1, number), 8)
    assert latency_s.mean() == pytest.approx(mean_s, rel=0.015)
    assert np.median(latency_s) == pytest.approx(p50_s, rel=0.015)
    assert np.quantile(latency_s, 0.99) == pytest.approx(p99_s, rel=0.025)
    waits = erlang_c(8, rate * 0.1) / (8 / 0.1 - rate)
    assert mean_s == pytest.approx(0.1 + waits, abs=5e-5)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 3)), min_size=1, max_size=60),
    st.integers(0, 5),
)
def test_first_come_first_served(requests: list[tuple[float, float]], servers: int) -> None:
    arrivals = np.cumsum([gap for gap, _ in requests])
    services = [service for _, service in requests]
    latency = predict(arrivals, services, servers)
    if servers == 0:
        np.testing.assert_allclose(latency, services, atol=1e-9)
        return
    # By definition: a request starts when fewer than c of the requests before it are still being served.
    ends: list[float] = []
    for arrival, service, found in zip(arrivals, services, latency, strict=True):
        earlier = heapq.nlargest(servers, ends)
        start = max(arrival, earlier[-1]) if len(earlier) == servers else arrival
        ends.append(start + service)
        assert found == pytest.approx(ends[-1] - arrival, abs=1e-9)


@pytest.mark.parametrize(
    ("behaviour", "mean_s", "p50_s"),
    [
        (Behaviour(mean_s=0.1), 0.1, 0.1),
        (Behaviour(mean_s=0.1, distribution="exponential"), 0.1, 0.1 * math.log(2)),
        (Behaviour(mean_s=0.1, distribution="lognormal", sigma=0.5), 0.1, 0.1 * math.exp(-0.125)),
    ],
)
def test_service_times_follow_their_distribution(behaviour: Behaviour, mean_s: float, p50_s: float) -> None:
    times_s = service_times(BODIES, behaviour, repeat(1, len(BODIES)))[:, 1]
    assert times_s.mean() == pytest.approx(mean_s, rel=0.03)
    assert np.median(times_s) == pytest.approx(p50_s, rel=0.03)
    assert times_s.min() > 0
    again = service_times(BODIES, behaviour.model_copy(update={"seed": 2}), repeat(1, len(BODIES)))[:, 1]
    assert (again != times_s).all() == (behaviour.distribution != "constant")


def test_shares_of_failures_and_right_answers_are_met() -> None:
    outcome = OutcomeDraws(Behaviour(right=0.8, failures={"hang": 0.1, "status_500": 0.05}))
    keys = [body_hash(body) for body in BODIES]
    failures = [outcome.failure(key) for key in keys]
    assert failures.count("hang") / len(keys) == pytest.approx(0.1, abs=0.01)
    assert failures.count("status_500") / len(keys) == pytest.approx(0.05, abs=0.01)
    assert failures.count(None) / len(keys) == pytest.approx(0.85, abs=0.01)
    assert sum(map(outcome.right, keys)) / len(keys) == pytest.approx(0.8, abs=0.01)
    assert all(map(OutcomeDraws(Behaviour()).right, keys))


def test_shares_above_one_are_refused() -> None:
    with pytest.raises(InputError, match="not between 0 and 1"):
        Behaviour.parse({"failures": {"hang": 0.6, "cut": 0.5}}, "here")


@given(st.binary(max_size=200), st.integers(0, 7))
def test_the_hash_needs_no_alignment(body: bytes, offset: int) -> None:
    assert body_hash(memoryview(bytes(offset) + body)[offset:]) == body_hash(body)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_byte_changes_the_hash(body: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[position] ^= data.draw(st.integers(1, 255))
    assert body_hash(changed) != body_hash(body)
    assert body_hash(body + b"\0") != body_hash(body)


def test_bodies_longer_than_the_weights_are_hashed_whole() -> None:
    body = bytearray(5_000_000)
    before = body_hash(body)
    body[4_999_999] = 1
    assert body_hash(body) != before
