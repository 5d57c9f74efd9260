"""Early stopping, percentiles and intervals: reference values, and properties for every count."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.percentiles import percentile_of_sorted
from weighbridge.evaluation.intervals import ratio_interval
from weighbridge.loadgen.early_stopping import (
    discarded,
    few_over_probability,
    max_over_latency,
    min_queries,
    missing_queries,
)

# Over-latency queries and the fewest queries that pass with them, percentile and confidence 0.99.
PUBLISHED = {
    0: 459,
    1: 662,
    2: 838,
    5: 1307,
    10: 2010,
    50: 6898,
    100: 12571,
    200: 23527,
    300: 34262,
    400: 44881,
}


@pytest.mark.parametrize(("over", "queries"), PUBLISHED.items())
def test_min_queries_as_published(over: int, queries: int) -> None:
    assert min_queries(over) == queries


@pytest.mark.parametrize(
    ("queries", "over"), [(458, None), (459, 0), (48289, 432), (96578, 894), (270336, 2583)]
)
def test_max_over_latency_as_published(queries: int, over: int | None) -> None:
    assert max_over_latency(queries) == over


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.01, 0.99))
def test_the_probability_is_the_binomial_sum(over: int, further: int, percentile: float) -> None:
    queries = over + further
    slow = 1 - percentile
    exact = sum(comb(queries, k) * slow**k * percentile ** (queries - k) for k in range(over + 1))
    assert few_over_probability(over, queries, percentile) == pytest.approx(exact, rel=1e-9)


@settings(max_examples=50)
@given(st.integers(0, 3000), st.sampled_from([0.9, 0.95, 0.99, 0.999]), st.sampled_from([0.9, 0.99]))
def test_min_queries_is_the_smallest_sufficient_number(
    over: int, percentile: float, confidence: float
) -> None:
    least = min_queries(over, percentile, confidence)
    assert few_over_probability(over, least, percentile) < 1 - confidence
    assert few_over_probability(over, least - 1, percentile) >= 1 - confidence


@settings(max_examples=50)
@given(st.integers(459, 300_000))
def test_max_over_latency_and_min_queries_agree(queries: int) -> None:
    most = max_over_latency(queries)
    assert most is not None
    assert min_queries(most) <= queries < min_queries(most + 1)


@given(st.integers(0, 500), st.integers(1, 60_000))
def test_missing_queries_are_exactly_sufficient(over: int, queries: int) -> None:
    missing = missing_queries(over, queries)
    assert missing >= 0
    assert (missing == 0) == (queries >= min_queries(over))
    assert missing == 0 or queries + missing == min_queries(over)


@pytest.mark.parametrize(
    ("count", "percentile", "index"),
    [(100, 0.99, 99), (1000, 0.99, 990), (1, 0.99, 0), (10, 0.5, 5), (48289, 0.99, 47806)],
)
def test_percentile_takes_the_value_at_floor_of_n_times_p(count: int, percentile: float, index: int) -> None:
    assert percentile_of_sorted(range(count), percentile) == index


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(IndexError):
        percentile_of_sorted([], 0.99)


@pytest.mark.parametrize(("right", "seed"), [(0.5, 1), (0.78, 2), (0.97, 3)])
def test_the_interval_of_a_ratio_agrees_with_the_bootstrap(right: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    levels = random.integers(1, 8, size=2000)
    wholes = (levels + np.maximum(1, levels + random.integers(-1, 2, size=2000))).astype(np.float64)
    parts = 2.0 * np.minimum(levels, random.binomial(levels, right)).astype(np.float64)
    draws = random.integers(2000, size=(4000, 2000))
    low, high = np.quantile(parts[draws].sum(axis=1) / wholes[draws].sum(axis=1), [0.025, 0.975])
    found = ratio_interval(parts, wholes)
    assert found == pytest.approx((low, high), abs=0.06 * (high - low))


def test_the_interval_of_a_share_is_the_normal_interval() -> None:
    hits = np.repeat([1.0, 0.0], [300, 700])
    margin = 1.959964 * (0.3 * 0.7 / 999) ** 0.5
    assert ratio_interval(hits, np.ones(1000)) == pytest.approx((0.3 - margin, 0.3 + margin))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40))
def test_an_interval_contains_its_ratio(samples: list[tuple[int, int]]) -> None:
    parts = np.array([min(pair) for pair in samples], dtype=np.float64)
    wholes = np.array([pair[1] for pair in samples], dtype=np.float64)
    low, high = ratio_interval(parts, wholes)
    assert 0 <= low <= high <= 1
    if wholes.sum():
        assert low - 1e-12 <= parts.sum() / wholes.sum() <= high + 1e-12
    else:
        assert (low, high) == (0, 1)


@pytest.mark.parametrize(("queries", "percentile", "slowest"), [(600, 0.9, 42), (64, 0.9, 0), (662, 0.99, 0)])
def test_an_estimate_sets_aside_as_many_as_loadgen_said(
    queries: int, percentile: float, slowest: int
) -> None:
    """As a SingleStream run of LoadGen 6.0.15 logs it: 'Would discard 42 highest latency queries'."""
    assert discarded(queries, percentile) == slowest
    assert discarded(63, 0.9) is None
    assert discarded(661, 0.99) is None
