"""The standard error of a rate: against known truth on queues, and what it must not depend on."""

import heapq
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.evaluation.rate_error import relative_error

Completions = Callable[[np.random.Generator], np.ndarray]


def renewals(rng: np.random.Generator) -> np.ndarray:
    """Return the completions of one server that is always busy; their number is asymptotically normal."""
    return np.cumsum(rng.lognormal(0, 0.8, 1200))


def busy_servers(rng: np.random.Generator) -> np.ndarray:
    """Return the completions of 16 servers with a full queue, as an Offline run has them, with drain."""
    free = [0.0] * 16
    services_s = rng.lognormal(0, 0.5, 2000)
    return np.array([heapq.heapreplace(free, free[0] + each) + each for each in services_s])


def queue(rng: np.random.Generator) -> np.ndarray:
    """Return the departures of a queue with Poisson arrivals at 70 % load."""
    arrived = np.cumsum(rng.exponential(1, 2000))
    done, ends = 0.0, []
    for at, service_s in zip(arrived, rng.exponential(0.7, 2000), strict=True):
        done = max(at, done) + service_s
        ends.append(done)
    return np.array(ends)


@pytest.mark.parametrize("completions", [renewals, busy_servers, queue])
def test_it_is_the_spread_of_repeated_runs(completions: Completions) -> None:
    rng = np.random.default_rng(5)
    runs = [completions(rng) for _ in range(150)]
    rates = np.array([len(run) / run.max() for run in runs])
    estimates = np.array([relative_error(run) for run in runs])
    truth = rates.std(ddof=1) / rates.mean()
    assert np.sqrt(np.mean(estimates**2)) == pytest.approx(truth, rel=0.25)


def test_tokens_are_weighed() -> None:
    rng = np.random.default_rng(6)
    lengths = [rng.lognormal(4, 1, 3000) for _ in range(150)]
    runs = [(np.cumsum(rng.exponential(1, 3000)), tokens) for tokens in lengths]
    rates = np.array([tokens.sum() / ends.max() for ends, tokens in runs])
    estimates = np.array([relative_error(ends, tokens) for ends, tokens in runs])
    assert np.sqrt(np.mean(estimates**2)) == pytest.approx(rates.std(ddof=1) / rates.mean(), rel=0.25)


def test_even_steps_have_no_error_and_filling_and_draining_are_none() -> None:
    steps = np.arange(1, 401) * 0.25
    assert relative_error(steps) == pytest.approx(0, abs=1e-9)
    filled = np.concatenate([steps + 9, steps[-1] + 9 + np.arange(1, 20) * 2.0])
    error = relative_error(filled)
    assert error is not None
    assert error < 0.1


def test_too_few_completions_show_nothing() -> None:
    assert relative_error(np.arange(1.0, 36.0)) is None
    assert relative_error(np.arange(1.0, 37.0)) is not None
    assert relative_error(np.zeros(100)) is None
    assert relative_error(np.arange(1.0, 101.0), np.zeros(100)) is None


@given(
    st.lists(st.floats(0.001, 1e5), min_size=36, max_size=300),
    st.floats(1e-3, 1e3),
    st.floats(1e-3, 1e3),
    st.randoms(use_true_random=False),
)
def test_units_and_order_do_not_matter(
    ends: list[float], slower: float, longer: float, random: Random
) -> None:
    shuffled = random.sample(ends, len(ends))
    error = relative_error(np.array(ends))
    assert error is not None
    assert error >= 0
    assert relative_error(np.array(shuffled) * slower) == pytest.approx(error, rel=1e-6, abs=1e-9)
    assert relative_error(np.array(ends), np.full(len(ends), longer)) == pytest.approx(
        error, rel=1e-6, abs=1e-9
    )
