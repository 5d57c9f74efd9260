"""Numbers, durations, sizes and values as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core import formatting
from weighbridge.core.formatting import duration, latency, rate


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
        (formatting.score(0.78), "0.780000"),
        (formatting.score(None), formatting.NONE),
        (formatting.page_latency(0.000220708), "0.221 ms"),
        (formatting.page_latency(0.28), "280 ms"),
        (formatting.page_latency(5.6430), "5.643 s"),
        (formatting.page_latency(0.0), "0.000 s"),
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
