"""Which questions are asked: whole numbers that add up, drawn alike each time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config.quality_settings import MmluSettings
from weighbridge.quality.made_up_questions import write_made_up_questions
from weighbridge.quality.question_choice import asked_rows, limited_text, stratified
from weighbridge.quality.questions import QuestionSet, read_questions

SIZES = st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 2000), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> QuestionSet:
    folder = tmp_path_factory.mktemp("questions")
    write_made_up_questions(30, folder)
    return read_questions(folder)


def test_all_are_asked_without_a_limit(questions: QuestionSet) -> None:
    asked = asked_rows(questions, MmluSettings())
    assert asked == dict.fromkeys(sorted(questions.subjects), tuple(range(30)))


@pytest.mark.parametrize(("limit", "asked"), [(1, 1), (10, 10), (30, 30), (31, 30)])
def test_a_limit_is_the_first_of_each_subject(questions: QuestionSet, limit: int, asked: int) -> None:
    found = asked_rows(questions, MmluSettings(limit=limit))
    assert found == dict.fromkeys(questions.subjects, tuple(range(asked)))


@given(sizes=SIZES, total=st.integers(1, 20_000))
def test_shares_add_up_and_are_in_proportion(sizes: dict[str, int], total: int) -> None:
    shares = stratified(sizes, total)
    assert [*shares] == [*sizes]
    assert sum(shares.values()) == min(total, sum(sizes.values()))
    assert all(0 <= shares[name] <= size for name, size in sizes.items())
    if total >= len(sizes):
        assert min(shares.values()) >= 1
    by_size = sorted(sizes, key=lambda name: sizes[name])
    for smaller, larger in pairwise(by_size):
        if sizes[smaller] < sizes[larger]:
            assert shares[smaller] <= shares[larger]
    # Of those with more than one question each, all have the same share of their questions, rounded.
    above = [name for name in sizes if shares[name] > 1]
    asked, of = sum(shares[name] for name in above), sum(sizes[name] for name in above)
    for name in above:
        assert abs(shares[name] - asked * sizes[name] / of) <= 1 + len(above) / max(1, asked)


def test_the_largest_remainder_gets_the_question() -> None:
    assert stratified({"a": 10, "b": 10, "c": 79}, 10) == {"a": 1, "b": 1, "c": 8}
    assert stratified({"a": 100, "b": 150, "c": 250}, 9) == {"a": 2, "b": 3, "c": 4}
    assert stratified({"a": 1, "b": 1000}, 10) == {"a": 1, "b": 9}
    assert stratified({"a": 5, "b": 5, "c": 5}, 2) == {"a": 1, "b": 1, "c": 0}


@given(total=st.integers(1, 130), seed=st.integers(0, 2**32 - 1))
def test_a_draw_is_the_same_each_time(questions: QuestionSet, total: int, seed: int) -> None:
    settings = MmluSettings(total_limit=total, seed=seed)
    asked = asked_rows(questions, settings)
    assert asked == asked_rows(questions, settings)
    assert sum(map(len, asked.values())) == min(total, 120)
    for rows in asked.values():
        assert list(rows) == sorted(set(rows))
        assert set(rows) <= set(range(30))
    more = asked_rows(questions, MmluSettings(total_limit=total + 4, seed=seed))
    assert all(set(rows) <= set(more[subject]) for subject, rows in asked.items())


def test_the_draw_of_a_seed_never_changes(questions: QuestionSet) -> None:
    """Other rows would measure something else under the same settings."""
    assert asked_rows(questions, MmluSettings(total_limit=13)) == {
        "made_up_arithmetic": (6, 12, 16, 18),
        "made_up_history": (21, 26, 29),
        "made_up_trade": (3, 20, 25),
        "made_up_words": (12, 19, 23),
    }


def test_every_question_is_drawn_as_often_as_any_other(questions: QuestionSet) -> None:
    counts = np.zeros(30)
    for seed in range(1000):
        counts[[*asked_rows(questions, MmluSettings(total_limit=12, seed=seed))["made_up_trade"]]] += 1
    assert np.all(np.abs(counts - 100) < 5 * np.sqrt(100 * 0.9))


def test_only_what_leaves_something_out_is_called_limited() -> None:
    assert limited_text(None, None, asked=120, available=120) is None
    assert limited_text(30, None, asked=120, available=120) is None
    assert limited_text(None, 500, asked=120, available=120) is None
    assert limited_text(10, None, asked=40, available=120) == "10 of each subject"
    assert limited_text(None, 1000, asked=1000, available=14_042) == "1,000 drawn from all subjects"
    assert limited_text(None, None, asked=7, available=120) == "7 of 120"
