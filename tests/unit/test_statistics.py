"""Early stopping and percentiles: the published values, and what must hold for every count."""

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.statistics import (
    few_over_probability,
    max_over_latency,
    min_queries,
    missing_queries,
    percentile_of_sorted,
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
def test_min_queries_is_the_edge(over: int, percentile: float, confidence: float) -> None:
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
def test_missing_queries_are_just_enough(over: int, queries: int) -> None:
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
