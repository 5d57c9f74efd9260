"""The client must not have been the limit: each of its waits, just below and just above its bound."""

import json
from pathlib import Path
from typing import Any

import pytest
from judged_pair import DEMONSTRATION, HELD, Pair
from loadgen_files import SINGLE_STREAM, detail_values, record_values, small_round, write_detail
from request_files import request_log

from weighbridge.client.request_log import write_parquet
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyLimit, Limits, Mode
from weighbridge.gates.client_checks import client_checks
from weighbridge.gates.request_rows import RequestRows
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import LoadReport
from weighbridge.records.verdict import Check

SPEED = Mode.PERFORMANCE
SCHEDULE, BACKLOG, TIMER = "schedule delay (p99)", "receive backlog (p99)", "workers' delay at a timer (p99)"
BUSY, SPREAD = "busiest client process", "requests of the busiest worker"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def set_p99(pair: Pair, name: str, value_s: float) -> None:
    load = pair.records[SPEED]["load"]
    places = {SCHEDULE: load["schedule_delay"], BACKLOG: load["client"]["receive_backlog"]}
    places[TIMER] = load["client"]["wake_delay"]
    places[name]["p99_s"] = value_s


@pytest.mark.parametrize("name", [SCHEDULE, BACKLOG, TIMER])
def test_a_wait_may_be_a_hundredth_of_the_latency_limit(pair: Pair, name: str) -> None:
    set_p99(pair, name, 0.1199)
    assert pair.found() == (set(), set())
    set_p99(pair, name, 0.1201)
    assert pair.found() == ({name}, set())


@pytest.mark.parametrize("name", [SCHEDULE, BACKLOG, TIMER])
def test_a_demonstration_shares_its_cores_and_may_wait_five_times_as_long(tmp_path: Path, name: str) -> None:
    pair = Pair(tmp_path, DEMONSTRATION)
    set_p99(pair, name, 0.599)
    assert pair.found() == (set(), set())
    set_p99(pair, name, 0.601)
    assert pair.found() == ({name}, set())


def test_a_verdict_tells_value_limit_and_remedy(pair: Pair) -> None:
    set_p99(pair, SCHEDULE, 0.5)
    (check,) = pair.judged().failed
    assert (check.value, check.limit, check.run) == (0.5, "<= 0.12 s", SPEED)
    assert "raise client.workers" in (check.remedy or "")


@pytest.mark.parametrize(("share", "failed"), [(0.9, set()), (0.91, {BUSY})])
def test_no_process_may_be_out_of_time(pair: Pair, share: float, failed: set[str]) -> None:
    pair.records[SPEED]["load"]["client"]["busy"]["loadgen"] = share
    assert pair.found() == (failed, set())


@pytest.mark.parametrize(
    ("answered", "busy", "failed"),
    [
        ([900, 300], 0.51, set()),  # exactly 1.5 times the mean
        ([901, 299], 0.51, {SPREAD}),
        ([901, 299], 0.5, set()),  # one that idles half of the time is not the limit
        ([299, 901], 0.51, {SPREAD}),
    ],
)
def test_workers_share_the_requests_where_one_has_much_to_do(
    pair: Pair, answered: list[int], busy: float, failed: set[str]
) -> None:
    workers = {f"worker {number}": busy for number in range(2)}
    pair.records[SPEED]["load"]["client"] |= {"answered_by_worker": answered, "busy": workers}
    assert pair.found() == (failed, set())


def test_what_an_earlier_release_did_not_record_is_unknown_where_rules_hold(pair: Pair) -> None:
    pair.records[SPEED]["load"]["client"] = None
    assert pair.found() == (set(), {BACKLOG, TIMER, BUSY})


def test_what_an_earlier_release_did_not_record_is_left_out_in_a_demonstration(tmp_path: Path) -> None:
    pair = Pair(tmp_path, DEMONSTRATION)
    pair.records[SPEED]["load"]["client"] = None
    verdict = pair.judged()
    assert (verdict.failed, verdict.unknown) == ((), ())
    assert {BACKLOG, TIMER, BUSY}.isdisjoint(check.name for check in verdict.checks)
    assert SCHEDULE in {check.name for check in verdict.checks}


def test_a_kernel_without_times_of_arrival_leaves_the_backlog_unknown(pair: Pair) -> None:
    pair.records[SPEED]["load"]["client"]["receive_backlog"] = None
    assert pair.found() == (set(), {BACKLOG})


def test_an_accuracy_run_may_be_slow(pair: Pair) -> None:
    load = pair.records[Mode.ACCURACY]["load"]
    load["schedule_delay"]["p99_s"] = 5.0
    load["client"]["busy"]["worker 0"] = 1.0
    assert pair.found() == (set(), set())


@pytest.mark.parametrize(
    ("later_ns", "failed"), [(119_000_000, set()), (121_000_000, {"latency added by LoadGen"})]
)
def test_loadgen_may_count_a_hundredth_of_the_limit_more_than_the_workers(
    pair: Pair, later_ns: int, failed: set[str]
) -> None:
    path = pair.folder(SPEED) / "mlperf_log_detail.txt"
    values = detail_values(HELD, "server", SPEED)
    values["result_99.00_percentile_latency_ns"] += later_ns
    write_detail(path, values)
    assert pair.found() == (failed, set())


# Offline: the mean wait, beside a request's time in flight (its median is 3 s here).


@pytest.mark.parametrize("kind", ["receive_backlog", "wake_delay"])
@pytest.mark.parametrize(("mean_s", "failures"), [(0.0299, 0), (0.0301, 1)])
def test_offline_a_mean_wait_may_be_a_hundredth_of_the_time_in_flight(
    tmp_path: Path, kind: str, mean_s: float, failures: int
) -> None:
    pair = Pair(tmp_path, scenario="offline")
    load = pair.records[SPEED]["load"]
    load["client"][kind] |= {"mean_s": mean_s, "p99_s": 1.0}
    load["schedule_delay"]["p99_s"] = 40.0  # requests wait for others to end
    failed, unknown = pair.found()
    assert (len(failed), unknown) == (failures, set())
    assert all("(mean)" in name for name in failed)


@pytest.mark.parametrize(
    ("added_ns", "failed"), [(400_000_000, set()), (600_000_000, {"duration added by LoadGen"})]
)
def test_offline_loadgen_may_end_a_hundredth_later_than_the_workers(
    tmp_path: Path, added_ns: int, failed: set[str]
) -> None:
    pair = Pair(tmp_path, scenario="offline")
    values = detail_values(HELD, "offline", SPEED)
    values["result_max_latency_ns"] += added_ns
    values["result_samples_per_second"] = 1200 / (values["result_max_latency_ns"] / 1e9)
    write_detail(pair.folder(SPEED) / "mlperf_log_detail.txt", values)
    assert pair.found() == (failed, set())


@pytest.mark.parametrize(("round_", "unknown"), [(HELD, {"receive backlog"}), (DEMONSTRATION, set())])
def test_without_a_time_that_decides_the_waits_are_unknown(
    round_: Round, unknown: set[str], tmp_path: Path
) -> None:
    write_detail(tmp_path / "detail.txt", detail_values(round_, "offline", SPEED))
    load = LoadReport.model_validate_json(json.dumps(record_values(round_, "offline", SPEED)["load"]))
    log = read_detail(tmp_path / "detail.txt")
    found = client_checks(log, load, None, round_, round_.scenarios["offline"])
    assert {check.name for check in found if check.passed is None} == unknown


# Scenarios with other limits, judged alone.


def checks_of(
    folder: Path,
    limits: Limits | None,
    *,
    delay_s: float = 0.001,
    backlog_s: float = 0.001,
    tokens: int = 101,
) -> dict[str, Check]:
    """Return the checks of a Server run of a round whose rules hold; without limits, of SingleStream."""
    round_: Round = small_round(submittable=True)
    rules = (
        SINGLE_STREAM if limits is None else round_.scenarios["server"].model_copy(update={"limits": limits})
    )
    load = record_values(round_, "server", SPEED)["load"]
    load["schedule_delay"]["p99_s"] = delay_s
    load["client"]["receive_backlog"]["p99_s"] = backlog_s
    log = request_log(round_.samples, SPEED)
    log["tokens"] = tokens
    log["first_ns"] = log["planned_ns"] + 400_000_000
    write_parquet(log, folder / "requests.parquet")
    values: dict[str, Any] = detail_values(round_, "server", SPEED)
    values["result_first_token_99.00_percentile_latency_ns"] = 450_000_000
    write_detail(folder / "detail.txt", values)
    found = client_checks(
        read_detail(folder / "detail.txt"),
        LoadReport.model_validate_json(json.dumps(load)),
        RequestRows.read(folder),
        round_,
        rules,
    )
    return {check.name: check for check in found}


def test_the_smallest_of_latency_and_first_token_decides(tmp_path: Path) -> None:
    limits = Limits(latency=LatencyLimit(limit_s=60), ttft=LatencyLimit(limit_s=2))
    found = checks_of(tmp_path, limits, delay_s=0.021, backlog_s=0.019)
    assert (found[SCHEDULE].limit, found[SCHEDULE].passed, found[BACKLOG].passed) == (
        "<= 0.02 s",
        False,
        True,
    )
    added = found["time to first token added by LoadGen"]
    assert (added.value, added.limit, added.passed) == (0.05, "<= 0.02 s", False)


def test_below_ten_milliseconds_is_the_machines_own_jitter(tmp_path: Path) -> None:
    limits = Limits(ttft=LatencyLimit(limit_s=0.5))
    found = checks_of(tmp_path, limits, delay_s=0.0099, backlog_s=0.0101)
    assert (found[SCHEDULE].passed, found[BACKLOG].passed) == (True, False)


@pytest.mark.parametrize(("tokens", "limit"), [(101, "<= 0.1 s"), (51, "<= 0.05 s"), (2, "<= 0.01 s")])
def test_a_late_first_token_makes_the_tokens_after_it_look_faster(
    tmp_path: Path, tokens: int, limit: str
) -> None:
    limits = Limits(latency=LatencyLimit(limit_s=60), tpot=LatencyLimit(limit_s=0.1))
    found = checks_of(tmp_path, limits, tokens=tokens)
    assert (found[BACKLOG].limit, found[SCHEDULE].limit) == (limit, "<= 0.6 s")


def test_a_latency_that_is_the_result_is_its_own_measure(tmp_path: Path) -> None:
    found = checks_of(tmp_path, None, delay_s=0.049, backlog_s=0.051)  # its 90th percentile is 5 s
    assert (found[SCHEDULE].limit, found[SCHEDULE].passed, found[BACKLOG].passed) == (
        "<= 0.05 s",
        True,
        False,
    )
    assert found["latency added by LoadGen"].passed
