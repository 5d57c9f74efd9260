"""The report's mathematics: percentiles, windows and time series."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_files import START_NS, write_requests, write_telemetry

from weighbridge.core.errors import InputError
from weighbridge.core.formatting import page_latency
from weighbridge.records.telemetry_readings import TimeSeries, read_telemetry
from weighbridge.report.request_series import (
    RequestSeries,
    latency_over_time,
    latency_summary,
    rates_over_time,
    read_request_series,
    survivors,
)
from weighbridge.report.telemetry_series import band, growth_of, rate_of, series_of, total

COLUMNS = ("planned_ns", "sent_ns", "first_ns", "end_ns", "tokens", "outcome")
LATENCIES = st.lists(st.floats(0.001, 100), min_size=1, max_size=300).map(np.array)


def request_series(tmp_path: Path, latency_s: np.ndarray, **options: float) -> RequestSeries:
    write_requests(tmp_path / "requests.parquet", latency_s, **options)  # type: ignore[arg-type]
    return read_request_series(tmp_path / "requests.parquet")


def test_times_count_from_the_first_issue(tmp_path: Path) -> None:
    read = request_series(tmp_path, np.array([3.0, 1.0]), rate=2.0)
    assert sorted(read.planned_s) == [0.0, 0.5]
    assert read.duration_s == 3.0
    assert sorted(read.latency_s) == [1.0, 3.0]
    assert read.start_ns == START_NS


def test_percentiles_are_loadgens(tmp_path: Path) -> None:
    # 1 to 1000: LoadGen takes the value at index floor(n * p) of the ascending ones.
    read = request_series(tmp_path, np.random.default_rng(1).permutation(np.arange(1.0, 1001)))
    brief = latency_summary(read.latency_s)
    assert brief.percentiles_s == {0.5: 501, 0.9: 901, 0.97: 971, 0.99: 991, 0.999: 1000}
    assert brief.max_s == 1000


def test_a_failed_request_is_no_fast_answer(tmp_path: Path) -> None:
    # A reset after a millisecond: 3 of 100 make the median neither smaller nor the p99 good.
    read = request_series(tmp_path, np.append(np.full(97, 2.0), [0.001] * 3), failed=3)
    brief = latency_summary(read.latency_s)
    inf = np.inf
    assert brief.percentiles_s == pytest.approx({0.5: 2, 0.9: 2, 0.97: inf, 0.99: inf, 0.999: inf})
    assert brief.max_s == np.inf
    assert page_latency(brief.max_s).split() == ["no", "answer"]
    assert read.answer_tokens.tolist() == [7] * 97
    assert np.isposinf(latency_over_time(read.planned_s, read.latency_s).values["p99"][-1])
    seconds, slower = survivors(read.latency_s)
    assert slower[np.isfinite(seconds)][-1] == pytest.approx(0.03)


def test_latency_over_time_sees_the_moment_at_which_a_server_slows_down(tmp_path: Path) -> None:
    read = request_series(tmp_path, np.repeat([1.0, 4.0], 600))
    windows = latency_over_time(read.planned_s, read.latency_s)
    assert len(windows.middle_s) == 60
    assert windows.values["p50"][:30] == pytest.approx(np.full(30, 1.0))
    assert windows.values["p99"][30:] == pytest.approx(np.full(30, 4.0))


def test_a_window_without_a_request_is_empty_and_not_zero(tmp_path: Path) -> None:
    read = request_series(tmp_path, np.full(60, 1.0))
    late_s = np.where(read.planned_s > 3, 100.0, read.planned_s)
    assert np.isnan(latency_over_time(late_s, read.latency_s).values["p50"][1])


def test_first_tokens_and_those_after_them_are_timed_as_loadgen_does(tmp_path: Path) -> None:
    read = request_series(tmp_path, np.array([2.0, 4.0, 1.0]), first=0.25, failed=1)
    assert sorted(read.ttft_s) == [0.5, 1.0, np.inf]
    # Seven tokens each: the six after the first take three quarters of the latency.
    assert sorted(read.tpot_s) == pytest.approx([1.5 / 6, 3.0 / 6, np.inf])


def test_rates_leave_failures_out_of_what_was_completed(tmp_path: Path) -> None:
    windows = rates_over_time(request_series(tmp_path, np.full(400, 0.5), failed=100))
    sums = {name: values.sum() * windows.width_s for name, values in windows.values.items()}
    assert sums == pytest.approx({"sent": 400, "completed": 300, "tokens": 2100})


@given(LATENCIES)
def test_survivors_start_and_end_where_the_values_do(values: np.ndarray) -> None:
    seconds, slower = survivors(values, points=40)
    assert len(seconds) <= 42
    assert (np.diff(seconds) >= 0).all()
    assert seconds[-1] == values.max()
    assert slower[-1] == 0
    exact = np.array([np.sum(values > each) for each in seconds]) / len(values)
    assert (slower >= exact - 1e-12).all()  # equal values: the share is counted one by one


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no parquet", "cannot be read"),
        (pa.table({"planned_ns": [1]}), "cannot be read|lacks the column"),
        (pa.table({name: pa.array([], pa.int64()) for name in COLUMNS}), "holds no request"),
    ],
)  # fmt: skip
def test_damaged_requests_are_an_input_error(tmp_path: Path, content: object, sentence: str) -> None:
    path = tmp_path / "requests.parquet"
    path.write_bytes(content) if isinstance(content, bytes) else pq.write_table(content, path)
    with pytest.raises(InputError, match=sentence):
        read_request_series(path)


def test_telemetry_is_cut_to_the_run_and_found_by_source_and_metric(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.parquet"
    write_telemetry(
        path,
        {("gpu 0", "power_w"): [1, 2, 3, 4, 5], ("gpu 1", "power_w"): [9] * 5, ("host", "cpu_cores"): [1]},
    )
    telemetry = read_telemetry(path, START_NS, duration_s=1.5)
    found = series_of(telemetry, "gpu", "power_w")
    assert list(found) == ["gpu 0", "gpu 1"]
    assert found["gpu 0"].time_s.tolist() == [0, 1]
    assert found["gpu 0"].value.tolist() == [3, 4]
    assert series_of(telemetry, "host", "cpu_cores") == {}  # sampled before the run alone
    assert series_of(read_telemetry(path, START_NS), "gpu", "power_w")["gpu 0"].value.tolist() == [
        1,
        2,
        3,
        4,
        5,
    ]


def test_damaged_telemetry_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "telemetry.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read"):
        read_telemetry(tmp_path / "telemetry.parquet", 0, 1)


def series(*values: float) -> TimeSeries:
    return TimeSeries(np.arange(len(values), dtype=float), np.array(values, dtype=float))


def test_a_counter_becomes_a_rate_and_survives_a_restart() -> None:
    counter = series(100, 130, 130, 20)
    assert rate_of(counter).value.tolist() == [30, 0, 20]
    assert growth_of([counter, series(1, 2)]) == 51


def test_series_of_several_sources_are_added_and_spread() -> None:
    low, high = series(1, 1, 1, 1), series(3, 3, 5, 5)
    assert total([low, high]).value == pytest.approx([4, 4, 6, 6])
    spread = band([low, high])
    assert (spread.low.tolist(), spread.mean[-1], spread.high[-1], spread.count) == ([1] * 4, 3, 5, 2)
    assert total([]).value.size == band([]).count == 0


def test_thinning_keeps_the_mean() -> None:
    values = np.random.default_rng(2).random(1200)
    thin = total([TimeSeries(np.arange(1200.0), values)], points=60)
    assert len(thin.value) == 60
    assert thin.value.mean() == pytest.approx(values.mean())
