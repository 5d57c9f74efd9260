"""Series, their noise, and changes: what is found, and what may not be said."""

import math
from random import Random

import pytest
from history_entries import history_entry, recorded, score, speed
from scipy.stats import t as student

from weighbridge.history.changes import Change, ChangeFinding, NoiseSource, changes_of, newest_changes
from weighbridge.history.series import Series, series_of
from weighbridge.records.history_entry import HistoryEntry


def _only_series(*entries: HistoryEntry) -> Series:
    [series] = series_of(recorded(*entries))
    return series


def _newest(*entries: HistoryEntry) -> Change:
    return changes_of(_only_series(*entries))[-1]


def _rates(*values: float, last: dict[str, str] | None = None) -> list[HistoryEntry]:
    entries = [history_entry(hour, speed(value), settings={"a": "1"}) for hour, value in enumerate(values)]
    return [*entries[:-1], entries[-1].model_copy(update={"settings": last or {"a": "1"}})]


def test_series_run_over_run_directories_and_apart_by_measure_and_scenario() -> None:
    first = recorded(history_entry(0, speed(10), score(0.8)), run="a")
    second = recorded(history_entry(1, speed(11)), history_entry(2, speed(12), name="server"), run="b")
    series = series_of((*first, *second))
    assert [(each.title, [point.value for point in each.points]) for each in series] == [
        ("offline: rate", [10, 11]),
        ("offline: F1", [0.8]),
        ("server: rate", [12]),
    ]
    assert {str(point.recorded.run_directory) for point in series[0].points} == {"a", "b"}


def test_a_run_that_is_judged_again_is_one_point() -> None:
    again = [history_entry(hour, speed(10 + hour, measured_by="a" * 64)) for hour in (0, 1)]
    assert [point.value for point in _only_series(*again, history_entry(2, speed(15))).points] == [11, 15]


def test_a_copied_result_is_one_point_even_if_its_measurement_left_no_record() -> None:
    result = history_entry(0, speed(10))
    assert len(series_of((*recorded(result, run="a"), *recorded(result, run="copy")))[0].points) == 1


def test_noise_of_repeats_is_their_pooled_deviation_and_a_t_interval() -> None:
    change = _newest(*_rates(100, 102, 98, 80, last={"a": "2"}))
    assert change.noise is not None
    assert (change.noise.source, change.noise.repeats) == (NoiseSource.REPEATS, 3)
    expected = student.ppf(0.975, 2) * 0.02 * math.sqrt(2) * 98
    assert change.noise.half_width == pytest.approx(expected)
    assert change.noise_share == pytest.approx(expected / 98)
    assert change.finding is ChangeFinding.REGRESSED
    assert [(each.name, each.before, each.after) for each in change.settings] == [("a", "1", "2")]
    assert change.ratio == pytest.approx(80 / 98)


def test_repeats_of_several_systems_are_pooled() -> None:
    one, other = {"a": "1"}, {"a": "2"}
    values = [(100, one), (104, one), (10, other), (10.2, other), (7, {"a": "3"})]
    change = _newest(
        *(history_entry(hour, speed(value), settings=of) for hour, (value, of) in enumerate(values))
    )
    squares = 2 * (2 / 102) ** 2 + 2 * (0.1 / 10.1) ** 2
    assert change.noise is not None
    expected = student.ppf(0.975, 2) * math.sqrt(squares / 2) * math.sqrt(2) * 10.2
    assert change.noise.half_width == pytest.approx(expected)


def test_the_newest_result_is_no_repeat_that_would_hide_its_own_change() -> None:
    assert _newest(*_rates(100, 50)).noise is None
    assert _newest(*_rates(100, 50)).finding is ChangeFinding.NOT_KNOWN
    assert _newest(*_rates(100, 101, 50)).finding is ChangeFinding.REGRESSED


@pytest.mark.parametrize(
    ("changed", "is_repeat"),
    [
        ({"settings": {"a": "1", "weighbridge.revision": "f" * 40}}, True),
        ({"settings": {"a": "2"}}, False),
        ({"system": "other"}, False),
        ({"outcome": "INVALID"}, False),
    ],
    ids=str,
)
def test_repeats_have_the_same_settings_and_system_and_count(
    changed: dict[str, object], is_repeat: bool
) -> None:
    of_same = history_entry(0, speed(100), settings={"a": "1"})
    repeat = history_entry(1, speed(101), **{"settings": {"a": "1"}, **changed})
    assert (_newest(of_same, repeat, history_entry(2, speed(90))).noise is not None) == is_repeat


def test_values_with_intervals_bring_their_own_noise() -> None:
    before = history_entry(0, score(0.70, low=0.66, high=0.74))
    worse = history_entry(1, score(0.64, low=0.60, high=0.68))
    change = _newest(before, worse)
    assert change.noise is not None
    assert change.noise.source is NoiseSource.INTERVALS
    assert change.noise.half_width == pytest.approx(math.hypot(0.04, 0.04))
    assert change.finding is ChangeFinding.REGRESSED
    assert (
        _newest(before, history_entry(1, score(0.65, low=0.61, high=0.69))).finding
        is ChangeFinding.WITHIN_NOISE
    )


def test_a_value_with_an_interval_is_no_surer_where_the_other_has_none() -> None:
    repeats = _rates(100, 102, 98)
    change = _newest(*repeats, history_entry(9, speed(92, low=84, high=100), settings={"a": "2"}))
    assert change.noise is not None
    per_value = student.ppf(0.975, 2) * 0.02 * 98
    assert change.noise.half_width == pytest.approx(math.hypot(8, per_value))
    assert change.noise.source is NoiseSource.REPEATS
    assert change.finding is ChangeFinding.WITHIN_NOISE
    assert _newest(*_rates(100), history_entry(9, speed(92, low=84, high=100))).noise is None


def test_of_an_interval_that_is_not_even_the_nearer_ends_count() -> None:
    low = history_entry(0, score(0.1, low=0.08, high=0.15))
    high = history_entry(1, score(0.3, low=0.2, high=0.31))
    expected = pytest.approx(math.hypot(0.1, 0.05))
    for pair in ((low, high), (high, low)):
        noise = _newest(*pair).noise
        assert noise is not None
        assert noise.half_width == expected


@pytest.mark.parametrize(
    ("better", "value", "finding"),
    [
        ("higher", 120, ChangeFinding.IMPROVED),
        ("higher", 80, ChangeFinding.REGRESSED),
        ("lower", 120, ChangeFinding.REGRESSED),
        ("lower", 80, ChangeFinding.IMPROVED),
        ("lower", 100.5, ChangeFinding.WITHIN_NOISE),
    ],
)
def test_findings_follow_what_is_better(better: str, value: float, finding: ChangeFinding) -> None:
    entries = [history_entry(hour, speed(each, better=better)) for hour, each in enumerate((100, 101, 100))]
    change = _newest(*entries, history_entry(9, speed(value, better=better)))
    assert change.finding is finding
    assert change.is_worse == (finding is ChangeFinding.REGRESSED or value == 100.5)


def test_equal_values_are_no_change_even_where_the_noise_is_not_known() -> None:
    assert _newest(*_rates(100, 100)).finding is ChangeFinding.WITHIN_NOISE


def test_what_is_invalid_is_no_measure_for_the_next_and_no_improvement() -> None:
    entries = _rates(60, 60.5, 60)
    too_fast = history_entry(5, speed(100), settings={"a": "1"}, outcome="INVALID")
    assert _newest(*entries, too_fast).finding is ChangeFinding.NOT_KNOWN
    back = _newest(*entries, too_fast, history_entry(6, speed(60.2), settings={"a": "1"}))
    assert back.before.value == 60
    assert back.finding is ChangeFinding.WITHIN_NOISE
    slow = history_entry(5, speed(30), settings={"a": "1"}, outcome="INVALID")
    assert _newest(*entries, slow).finding is ChangeFinding.REGRESSED


def test_another_system_is_told() -> None:
    change = _newest(history_entry(0, speed(1)), history_entry(1, speed(2), system="other"))
    assert change.other_system
    assert not _newest(history_entry(0, speed(1)), history_entry(1, speed(2))).other_system


@pytest.mark.parametrize("repeats", [3, 10])
def test_few_newest_results_are_judged_to_differ_where_nothing_has_changed(repeats: int) -> None:
    random = Random(repeats)
    of_judged = (ChangeFinding.IMPROVED, ChangeFinding.REGRESSED)
    found = [_newest(*_rates(*(random.gauss(100, 1.5) for _ in range(repeats + 1)))) for _ in range(400)]
    share = sum(change.finding in of_judged for change in found) / len(found)
    assert 0.01 < share < 0.06


def test_newest_changes_are_those_at_the_last_points() -> None:
    invalid = history_entry(0, speed(1), outcome="INVALID")
    assert newest_changes(series_of(recorded(history_entry(0, speed(1))))) == ()
    assert newest_changes(series_of(recorded(invalid, history_entry(1, speed(2))))) == ()
    [change] = newest_changes(series_of(recorded(*_rates(1, 2, 3))))
    assert (change.before.value, change.after.value) == (2, 3)
