"""The figures of a running measurement: percentiles, rates, the time left, and the records they come from."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.issuer import IssuePlan
from weighbridge.client.request_log import RECORD_TYPE, Records, RequestLogTail
from weighbridge.client.sample_counts import DrivenPhase, SampleCounts
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.percentiles import percentile_of_sorted
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.monitor import run_progress as progress_module
from weighbridge.monitor.run_progress import LatencyHistogram, RunProgress
from weighbridge.monitor.unanswered import UnansweredSinceIssue

NS = 10**9


@given(st.lists(st.integers(1_000, 10**13), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_is_loadgens_within_half_a_percent(latencies_ns: list[int], percentile: float) -> None:
    histogram = LatencyHistogram()
    for part in np.array_split(np.array(latencies_ns, dtype=np.int64), 3):
        histogram.add(part)
    exact_s = percentile_of_sorted(sorted(latencies_ns), percentile) / NS
    assert histogram.percentile_s(percentile) == pytest.approx(exact_s, rel=0.00501)


def test_many_latencies_agree_with_numpy() -> None:
    latencies_ns = np.random.default_rng(7).lognormal(21, 1.2, 200_000).astype(np.int64)
    histogram = LatencyHistogram()
    histogram.add(latencies_ns)
    for percentile in (0.5, 0.97, 0.99, 0.999):
        exact_s = np.quantile(latencies_ns, percentile) / NS
        assert histogram.percentile_s(percentile) == pytest.approx(exact_s, rel=0.01)


def test_what_no_clock_gives_stays_within_the_buckets() -> None:
    histogram = LatencyHistogram()
    assert histogram.percentile_s(0.5) is None
    histogram.add(np.array([-5, 0, 10**18], dtype=np.int64))
    assert histogram.percentile_s(0.0) == pytest.approx(1e-6, rel=0.01)
    assert histogram.percentile_s(0.99) == pytest.approx(1e5, rel=0.01)


def records(
    count: int, *, planned_ns: int, sent_ns: int, end_ns: int, outcome: RequestOutcome = RequestOutcome.OK
) -> Records:
    made = np.zeros(count, dtype=RECORD_TYPE)
    made["planned_ns"], made["sent_ns"], made["end_ns"], made["outcome"] = (
        planned_ns,
        sent_ns,
        end_ns,
        outcome,
    )
    return made


def test_a_tail_reads_each_record_once_and_none_torn(tmp_path: Path) -> None:
    path = tmp_path / "requests.bin"
    data = np.arange(5 * RECORD_TYPE.itemsize, dtype=np.uint8).tobytes()
    path.write_bytes(b"")
    tail, read = RequestLogTail(path), []
    with path.open("ab", buffering=0) as stream:
        for start in range(0, len(data), 50):
            stream.write(data[start : start + 50])
            read.append(tail.new())
    path.unlink()
    read.append(tail.new())
    tail.close()
    assert np.concatenate(read).tobytes() == data
    assert max(map(len, read)) == 1


class Clock:
    """The clock of RunProgress, in a test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        monkeypatch.setattr(progress_module, "monotonic_ns", lambda: int(self.now_s * NS))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def plan(scenario: str = "server", expected: int = 1000, target_qps: float = 10) -> IssuePlan:
    scheduled = scenario == "server"
    schedule_s = expected / target_qps
    limit_s = 12 if scheduled else None
    return IssuePlan("x", scenario, Mode.PERFORMANCE, scheduled, target_qps, expected, schedule_s, limit_s)


def test_a_server_run_ends_with_its_schedule_or_with_what_is_in_flight(tmp_path: Path, clock: Clock) -> None:
    progress = RunProgress(plan(), tmp_path, 8)
    assert progress.figures().left_s is None
    progress(SampleCounts(1, 0, 0))
    for second in range(1, 41):
        clock.now_s = 1000 + second
        progress(SampleCounts(10 * second, 10 * second - 5, 0))
        figures = progress.figures()
        # Answers of five seconds are the least that says something.
        assert (figures.left_s is None) is (second < 6)
        assert second < 6 or figures.left_s == pytest.approx(100 - second, abs=1)
    assert figures.recent_qps == pytest.approx(10, rel=0.02)
    assert figures.open == 5
    # The schedule is over, and the server is behind: 200 are open, and it does ten a second.
    for second in range(41, 101):
        clock.now_s = 1000 + second
        progress(SampleCounts(1000, 395 + 10 * (second - 40) - 195, 0))
        figures = progress.figures()
    assert figures.open == 1000 - 800
    assert figures.left_s == pytest.approx(200 / 10, rel=0.1)


def test_an_offline_run_goes_on_at_the_rate_so_far(tmp_path: Path, clock: Clock) -> None:
    progress = RunProgress(plan("offline", target_qps=50), tmp_path, 8)
    progress(SampleCounts(1000, 0, 0))
    progress.figures()
    clock.now_s += 10
    progress(SampleCounts(1000, 250, 50))
    figures = progress.figures()
    assert (figures.completed, figures.failed, figures.open) == (200, 50, 750)
    assert figures.qps == pytest.approx(20)
    # Ten requests at the expected rate count beside those that ended.
    assert figures.left_s == pytest.approx(750 / ((250 + 10) / (10 + 10 / 50)))


def test_more_than_expected_is_no_more_than_all(tmp_path: Path) -> None:
    progress = RunProgress(plan(expected=10), tmp_path, 8)
    progress(SampleCounts(12, 12, 0))
    assert progress.figures().expected == 12


@pytest.mark.parametrize(("scenario", "latency_s"), [("server", 3), ("offline", 1)])
def test_latencies_come_from_what_was_answered(
    tmp_path: Path, clock: Clock, scenario: str, latency_s: float
) -> None:
    stale = records(50, planned_ns=1, sent_ns=1, end_ns=900 * NS)
    (tmp_path / "requests.bin").write_bytes(stale.tobytes())
    progress = RunProgress(plan(scenario, 100), tmp_path, 8)
    # Until LoadGen's process has spoken, what lies there is an earlier run's.
    assert progress.figures().p99_s is None
    good = records(99, planned_ns=998 * NS, sent_ns=1000 * NS, end_ns=1001 * NS)
    late = records(1, planned_ns=0, sent_ns=0, end_ns=1001 * NS, outcome=RequestOutcome.TIMEOUT)
    (tmp_path / "requests.bin").write_bytes(np.concatenate([good, late]).tobytes())
    progress(SampleCounts(100, 100, 1))
    figures = progress.figures()
    assert figures.p50_s == pytest.approx(latency_s, rel=0.006)
    assert figures.p99_s == pytest.approx(latency_s, rel=0.006)
    # The first was issued before LoadGen's process said so.
    assert progress.elapsed_s() == pytest.approx(2)
    progress.close()


def test_queries_one_after_the_other_go_on_to_the_expected_count(tmp_path: Path, clock: Clock) -> None:
    progress = RunProgress(plan("single-stream", 100), tmp_path, 8)
    progress(SampleCounts(1, 0, 0))
    progress.figures()
    clock.now_s += 10
    progress(SampleCounts(41, 40, 0))
    assert progress.figures().left_s == pytest.approx(60 / ((40 + 10) / (10 + 10 / 10)))


def test_a_plan_is_what_loadgen_will_do() -> None:
    v6 = load_round("v6.0")
    planned = LoadGenIssuer(v6, v6.scenarios["server"], Mode.PERFORMANCE, 80.2).plan
    assert (planned.label, planned.expected, planned.limit_s) == ("server performance", 2 * 48289, 12)
    assert planned.schedule_s == pytest.approx(1203, abs=1)
    assert LoadGenIssuer(v6, v6.scenarios["offline"], Mode.ACCURACY, 80).plan.expected == 48289


def stalled(scenario: str, tmp_path: Path, clock: Clock) -> RunProgress:
    """512 issued in the first second of a run, 98 answered within 12 ms of it, and none for 14 s."""
    progress = RunProgress(plan(scenario, 512), tmp_path, 256)
    progress(SampleCounts(512, 0, 0))
    sent_ns = int(999.9 * NS)
    good = records(98, planned_ns=sent_ns, sent_ns=sent_ns, end_ns=sent_ns + 12_000_000)
    (tmp_path / "requests.bin").write_bytes(good.tobytes())
    clock.now_s = 1000.2
    progress(SampleCounts(512, 98, 0))
    progress.figures()
    clock.now_s += 7
    progress(SampleCounts(512, 98, 0, quiet_s=7))
    clock.now_s += 7  # LoadGen's process is silent too: the same counts again
    progress(SampleCounts(512, 98, 0, quiet_s=14))
    return progress


def test_what_was_answered_since_the_last_counts_makes_nothing_older(tmp_path: Path, clock: Clock) -> None:
    """The driver writes what was answered to the log just before it tells its counts."""
    progress = RunProgress(plan(), tmp_path, 8)
    progress(SampleCounts(10, 0, 0))
    good = records(9, planned_ns=1000 * NS, sent_ns=1000 * NS, end_ns=1000 * NS + NS // 5)
    (tmp_path / "requests.bin").write_bytes(good.tobytes())
    clock.now_s += 0.25
    progress(SampleCounts(10, 9, 0))
    clock.now_s += 0.5
    figures = progress.figures()
    assert (figures.p99_s, figures.p99_at_least) == (pytest.approx(0.25, rel=0.006), True)
    progress.close()


@pytest.mark.parametrize(("scenario", "late"), [("server", 414), ("offline", None)])
def test_open_requests_count_at_their_age(
    tmp_path: Path, clock: Clock, scenario: str, late: int | None
) -> None:
    progress = stalled(scenario, tmp_path, clock)
    figures = progress.figures()
    assert figures.open == 414
    assert figures.p99_s == pytest.approx(14.1, abs=0.2)
    assert figures.p99_at_least
    # Offline, only as many as there are connections are under way; the others wait for their turn.
    assert figures.p50_at_least
    assert figures.late == late
    assert figures.left_s is None
    assert progress.trouble() == "stalled: no answer for 14 s, 414 requests open"
    progress.close()


def test_a_run_that_goes_on_is_in_no_trouble(tmp_path: Path, clock: Clock) -> None:
    progress = stalled("offline", tmp_path, clock)
    progress(SampleCounts(512, 99, 0))
    assert progress.trouble() == ""
    progress(SampleCounts(512, 99, 0, quiet_s=9.9))
    assert progress.trouble() == ""
    # Nothing is open, so no answer is due.
    clock.now_s += 60
    progress(SampleCounts(512, 512, 0))
    assert progress.trouble() == ""
    progress.close()


def test_a_trouble_that_is_known_is_told_as_it_is(tmp_path: Path, clock: Clock) -> None:
    progress = RunProgress(plan(), tmp_path, 8)
    progress(SampleCounts(10, 9, 0, trouble="worker 1 was stopped"))
    assert progress.trouble() == "worker 1 was stopped"
    assert progress.figures().left_s is None


@pytest.mark.parametrize("scenario", ["server", "offline"])
def test_a_failed_request_is_no_fast_answer(tmp_path: Path, clock: Clock, scenario: str) -> None:
    progress = RunProgress(plan(scenario, 100), tmp_path, 8)
    progress(SampleCounts(100, 0, 0))
    sent_ns = 1000 * NS
    good = records(90, planned_ns=sent_ns, sent_ns=sent_ns, end_ns=sent_ns + NS)
    reset = records(10, planned_ns=sent_ns, sent_ns=sent_ns, end_ns=sent_ns + 1000)
    reset["outcome"] = RequestOutcome.RESET
    (tmp_path / "requests.bin").write_bytes(np.concatenate([good, reset]).tobytes())
    clock.now_s = 1020
    progress(SampleCounts(100, 100, 10))
    figures = progress.figures()
    assert (figures.p50_s, figures.p50_at_least) == (pytest.approx(1, rel=0.006), False)
    assert (figures.p99_s, figures.p99_at_least) == (pytest.approx(20, rel=0.006), True)
    progress.close()


def test_open_requests_of_an_aborted_run_stay_open(tmp_path: Path, clock: Clock) -> None:
    progress = stalled("offline", tmp_path, clock)
    before = progress.figures()
    aborted = records(414, planned_ns=1000 * NS, sent_ns=0, end_ns=1014 * NS, outcome=RequestOutcome.ABORTED)
    with (tmp_path / "requests.bin").open("ab") as stream:
        stream.write(aborted.tobytes())
    progress(SampleCounts(512, 512, 414))
    figures = progress.figures()
    assert (figures.p99_s, figures.p99_at_least) == (before.p99_s, True)
    progress.close()


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 4000)), min_size=1, max_size=60), st.data())
def test_ages_are_bounds_and_of_every_unanswered_request_once(
    requests: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Whenever it is looked, and in whatever pieces the records come, none is made older than it is."""
    requests.sort()
    unanswered, told = UnansweredSinceIssue(), 0
    looks = sorted(data.draw(st.lists(st.integers(0, 6000), min_size=1, max_size=12)))
    ended = sorted(requests, key=lambda request: sum(request))
    for now in looks:
        unanswered.note(now, sum(planned <= now for planned, _ in requests))
        done = [request for request in ended if sum(request) <= now]
        for planned, took in done[told:]:
            unanswered.add(records(1, planned_ns=planned, sent_ns=planned, end_ns=planned + took))
        told = len(done)
        ages, counts = unanswered.ages(now)
        bounds = np.sort(np.repeat(ages, counts))
        open_ = np.sort([now - planned for planned, took in requests if planned <= now < planned + took])
        assert len(bounds) == len(open_)
        assert (bounds <= open_).all()


def test_a_driver_whose_log_is_behind_is_neither_stalled_nor_late(tmp_path: Path, clock: Clock) -> None:
    progress = RunProgress(plan(expected=100), tmp_path, 4)
    held_ns = progress_module.monotonic_ns()
    for _ in range(3):
        clock.now_s += 20
        progress(SampleCounts(10, 4, 1, at_ns=held_ns, shown=40, phase=DrivenPhase.PERFORMANCE))
    figures = progress.figures()
    assert (figures.issued, figures.completed, figures.failed) == (40, 39, 1)
    assert figures.late == 0
    assert progress.trouble() == ""
    assert progress.phase() == "performance phase"
