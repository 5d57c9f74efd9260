"""Numbers, durations, sizes and values as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core import formatting
from weighbridge.core.formatting import duration, latency, rate
from weighbridge.records.verdict import Check


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 05 s"),
        (600, "10 min"),
        (3599, "59 min 59 s"),
        (3599.6, "1 h"),
        (3780, "1 h 03 min"),
        (86_000, "23 h 53 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_short_durations_can_have_decimals() -> None:
    assert [duration(seconds, 1) for seconds in (4.36, 59.94, 59.96)] == ["4.4 s", "59.9 s", "1 min"]


@given(st.floats(0, 1e6), st.integers(0, 3))
def test_a_duration_is_read_back_to_its_last_unit(seconds: float, decimals: int) -> None:
    units = {"h": 3600, "min": 60, "s": 1}
    parts = duration(seconds, decimals).split()
    read = sum(float(value) * units[unit] for value, unit in zip(parts[::2], parts[1::2], strict=True))
    # Below an hour it is rounded to seconds; from an hour on, minutes that have begun are not counted.
    assert abs(read - seconds) <= (60.5 if "h" in parts else 0.5)
    assert all(float(value) < 60 for value, unit in zip(parts[::2], parts[1::2], strict=True) if unit != "h")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0012, "1.2 ms"),
        (0.0854, "85.4 ms"),
        (0.9994, "999 ms"),
        (0.9999, "1.00 s"),
        (12.04, "12.0 s"),
        (123.4, "123 s"),
    ],
)
def test_latencies(seconds: float | None, text: str) -> None:
    assert latency(seconds) == text


@pytest.mark.parametrize(("qps", "text"), [(0.518, "0.52"), (12.49, "12.5"), (99.99, "100"), (1250, "1,250")])
def test_rates(qps: float, text: str) -> None:
    assert rate(qps) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (14.3672, None, "14.4"),
        (14.3672, 0.0, "14.4"),
        (14.3672, 0.23, "14.4"),
        (14.3672, 0.023, "14.37"),
        (14.3672, 2.3, "14"),
        (14.3672, 40, "14"),
        (1437, 23, "1,440"),
        (202.666, 2.26, "203"),
        (73.1234567, 1e-9, "73.123"),
        (0.52, None, "0.520"),
        (9.9996, None, "10.0"),
        (0.0, None, "0"),
        (None, None, formatting.NONE),
        (float("inf"), 1, formatting.NONE),
    ],
)
def test_measured_figures(value: float | None, error: float | None, text: str) -> None:
    assert formatting.measured(value, error) == text


@given(st.floats(1e-6, 1e9), st.floats(1e-9, 1e9))
def test_a_measured_figure_is_off_by_less_than_its_error(value: float, error: float) -> None:
    shown = float(formatting.measured(value, error).replace(",", ""))
    assert abs(shown - value) <= max(error, 1e-4 * value) * (1 + 1e-9) or error > value / 10


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (0.7824, (0.782400663,), "0.782400"),
        (0.782401, (0.782400663,), "0.7824010"),
        (0.78239, (0.7824, 0.782400663), "0.78239"),
        (0.790357, (0.782400663, None), "0.7904"),
        (0.7824, (0.7824,), "0.7824"),
        (38.7792, (), "38.7792"),
        (8167644.0, (7350879.6,), "8167644"),
        (7350879.4, (7350879.6,), "7350879"),
    ],
)
def test_scores_beside_their_limits(value: float, limits: tuple[float | None, ...], text: str) -> None:
    assert formatting.score(value, limits=limits) == text


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_score_is_shown_on_its_side_of_a_limit(value: float, limit: float) -> None:
    shown = float(formatting.score(value, limits=(limit,)))
    if abs(value - limit) > 1e-11:
        assert (shown > limit) == (value > limit)
    by_digits = float(formatting.beside_limit(value, (limit,)))
    if value > 0.1 and abs(value - limit) > 1e-11:
        assert (by_digits > limit) == (value > limit)


def test_a_check_shows_no_more_digits_than_its_limit_asks_for() -> None:
    def shown(value: float, limit: str) -> str:
        return Check(run=None, name="p99", value=value, limit=limit, passed=None, remedy=None).shown

    assert shown(11.98437219, "<= 12 s") == "11.98"
    assert shown(12.00031, "<= 12 s") == "12.0003"
    assert shown(0.7824, ">= 0.782400663") == "0.782400"
    assert shown(24.0, "about 24.00012") == "24.0000"
    assert shown(0.5, "the hashes in run.json") == "0.5"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (True, 9, "true"),
        (None, 9, "-"),
        (0.78239712345, 9, "0.782397123"),
        (0.78239712345, 12, "0.78239712345"),
        (48289, 9, "48289"),
        ("SingleStream", 9, "SingleStream"),
    ],
)
def test_values_of_checks(value: bool | float | str | None, digits: int, text: str) -> None:
    assert formatting.value_text(value, digits) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(470_213_000_000, "470.2 GB"), (12_000_000, "12.0 MB"), (900, "900 bytes")]
)
def test_sizes_on_disk(n_bytes: int, text: str) -> None:
    assert formatting.disk_size(n_bytes) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (0.0037, "68.3 % [67.5, 69.1]"),
        (0.00099, "68.34 % [67.52, 69.11]"),
        (0.0399, "68 % [68, 69]"),
        (0.2, "68 % [68, 69]"),
        (1e-9, "68.341 % [67.521, 69.109]"),
        (0.0, "68 % [68, 69]"),
        (None, "68 % [68, 69]"),
    ],
)
def test_an_accuracy_has_the_digits_that_its_error_supports(error: float | None, text: str) -> None:
    assert formatting.accuracy(0.68341, error, (0.67521, 0.69109)) == text
    assert formatting.accuracy(0.68341, error) == text.partition(" [")[0]


def test_a_missing_number_is_a_dash() -> None:
    assert formatting.number_or_dash(None, ".3f") == "-"
    assert formatting.number_or_dash(1.23456, "+.1f") == "+1.2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formatting.number(48289), "48,289"),
        (formatting.number(68.104912), "68.1049"),
        (formatting.number(18.218), "18.218"),
        (formatting.number(12.0), "12"),
        (formatting.number(None), formatting.NONE),
        (formatting.number(float("nan")), formatting.NONE),
        (formatting.score(0.78), "0.7800"),
        (formatting.score(None), formatting.NONE),
        (formatting.page_latency(0.000220708), "0.221 ms"),
        (formatting.page_latency(0.28), "280 ms"),
        (formatting.page_latency(5.6430), "5.64 s"),
        (formatting.page_latency(0.0), "0 s"),
        (formatting.page_duration(4.36), "4.4 s"),
        (formatting.page_duration(600), "10 min"),
        (formatting.page_duration(706.8), "11 min 47 s"),
        (formatting.page_duration(4390), "1 h 13 min"),
        (formatting.page_duration(None), formatting.NONE),
        (formatting.memory_size(80532253), "76.8 MiB"),
        (formatting.memory_size(3 << 40), "3.0 TiB"),
        (formatting.share(6, 48289), "0.0124 %"),
        (formatting.share(1, 0), formatting.NONE),
        (formatting.with_unit(99.0, "%"), "99 %"),
        (formatting.utc_time("2026-11-22T05:05:51.578+00:00"), "2026-11-22 05:05:51 UTC"),
    ],
)
def test_numbers_on_a_page(text: str, expected: str) -> None:
    assert text.replace("\N{NO-BREAK SPACE}", " ") == expected


def test_a_number_on_a_page_stays_with_its_unit() -> None:
    assert " " not in formatting.page_duration(706.8) + formatting.page_latency(5) + formatting.share(1, 2)
