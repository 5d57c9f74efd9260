"""Hierarchical F1: reference values, and the vectorised form against a plain loop."""

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.benchmarks.qwen3_vl.hierarchy import overlap

_NODES = st.sampled_from(["A", "B", " A ", "a", "", ">", "A > B"])
_PATHS = st.lists(_NODES, min_size=1, max_size=6).map(" > ".join)
_PAIRS = st.lists(st.tuples(_PATHS, _PATHS), min_size=1, max_size=40)


def _plain(predicted: str, true: str) -> tuple[int, int, int]:
    left, right = ([node.strip() for node in path.split(" > ")] for path in (predicted, true))
    shared = 0
    while shared < min(len(left), len(right)) and left[shared] == right[shared]:
        shared += 1
    return shared, len(left), len(right)


@given(_PAIRS)
def test_the_vectorised_overlap_equals_a_plain_loop(pairs: list[tuple[str, str]]) -> None:
    predicted, true = zip(*pairs, strict=True)
    result = overlap(predicted, true)
    expected = [_plain(*pair) for pair in pairs]
    assert list(zip(result.matched, result.predicted, result.true, strict=True)) == expected


@given(_PAIRS)
def test_f1_lies_between_0_and_1_and_a_copy_of_the_truth_has_1(pairs: list[tuple[str, str]]) -> None:
    predicted, true = zip(*pairs, strict=True)
    assert 0 <= overlap(predicted, true).f1 <= 1
    assert overlap(true, true).f1 == 1


def test_levels_below_a_mismatch_do_not_count() -> None:
    result = overlap(["A > X > C", "A"], ["A > B > C", "A > B"])
    assert (result.precision, result.recall) == (2 / 4, 2 / 5)
    assert result.f1 == 2 * (0.5 * 0.4) / (0.5 + 0.4)


def test_case_counts_and_blanks_around_a_level_do_not() -> None:
    assert overlap(["a > B"], ["A > B"]).matched.tolist() == [0]
    assert overlap(["A  >  B "], ["A > B"]).matched.tolist() == [2]


def test_a_very_deep_prediction_costs_precision_and_no_memory() -> None:
    result = overlap([" > ".join(["A"] * 100_000)] + ["A"] * 1000, ["A"] * 1001)
    assert result.recall == 1
    assert result.precision == 1001 / 101_000


def test_no_samples_score_nothing() -> None:
    assert overlap([], []).f1 == 0
