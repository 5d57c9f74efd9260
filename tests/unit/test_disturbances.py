"""Disturbances in the records of runs: what is found, and that quiet runs of many kinds show nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queued_runs import LENGTHS, Floats, QuietScenario, System, kinds_of

from weighbridge.disturbances.agreement import are_comparable, find_disagreement
from weighbridge.disturbances.drifts import can_drift, find_drift
from weighbridge.disturbances.find_disturbances import ExaminedRun, find_disturbances
from weighbridge.disturbances.machine_signs import machine_signs
from weighbridge.disturbances.run_trace import RunTrace
from weighbridge.disturbances.stalls import GeneratedCounter, find_stalls
from weighbridge.disturbances.steady_part import PartTrend
from weighbridge.records.disturbance import Disturbance
from weighbridge.records.telemetry_readings import Telemetry, TimeSeries
from weighbridge.records.telemetry_record import Metric


def test_of_a_thousand_quiet_scenarios_fewer_than_ten_are_called_disturbed() -> None:
    rng, called = np.random.default_rng(17), []
    for _ in range(1000):
        quiet = QuietScenario.draw(rng)
        if kinds := kinds_of(quiet.runs(rng)):
            called.append((quiet, kinds))
    assert len(called) < 10, called


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("load", [None, 0.33])
def test_a_freeze_of_23_s_in_a_short_run_is_found(lengths: str, load: float | None) -> None:
    rng, found, told = np.random.default_rng(3), 0, 0
    for _ in range(20):
        system = System(rng, 512, lengths, servers=32, mean_s=1.1)  # 29 a second, as the demo
        frozen = system.run(load, freeze=(float(rng.uniform(0.2, 0.6)), 23.0))
        stalls = find_stalls(frozen)
        found += bool(stalls)
        # What it is beside it is a stretch of the freeze, not one somewhere else.
        assert all(20 < each.length_s < 27 for each in stalls)
        told += bool(kinds_of({"performance": frozen, "accuracy": system.run(load)}))
    # Where lengths are far apart and none of them is known before, an Offline run has long pauses of its own.
    least = 14 if (lengths, load) == ("heavy", None) else 20
    assert found >= least
    assert told >= least


@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_run_at_half_the_speed_disagrees_with_the_other(lengths: str) -> None:
    rng = np.random.default_rng(4)
    for load in (None, 0.33):
        system = System(rng, 512, lengths, servers=32, mean_s=1.1)
        slow, other = system.run(load, speed=0.5), system.run(load)
        found = find_disagreement(slow, other)
        assert found is not None
        assert found.ratio == pytest.approx(2, rel=0.4)
        assert (found.quantity == "rate") == (load is None)
        again = find_disagreement(other, slow)
        assert again is not None
        assert (again.ours, again.theirs) == (found.theirs, found.ours)


def test_runs_that_cannot_be_compared_are_not() -> None:
    system = System(np.random.default_rng(5), 300, "alike", servers=8, mean_s=1.0)
    offline, server = system.run(None), system.run(0.5)
    few = System(np.random.default_rng(5), 100, "alike", servers=8, mean_s=1.0).run(None)
    assert are_comparable(offline, offline)
    assert not are_comparable(offline, server)
    assert not are_comparable(offline, few)
    # At another rate, latencies are others.
    runs = {"a": ExaminedRun(server, requested_rate=4.0), "b": ExaminedRun(server, requested_rate=5.0)}
    assert "runs_disagree" in {each.kind for each in find_disturbances(runs).not_examined}
    runs["b"] = replace(runs["b"], requested_rate=4.0)
    assert "runs_disagree" not in {each.kind for each in find_disturbances(runs).not_examined}


def test_a_server_that_generates_is_not_stalled() -> None:
    frozen = System(np.random.default_rng(6), 512, "varied", servers=32, mean_s=1.1).run(
        None, freeze=(0.4, 23.0)
    )
    [stall] = find_stalls(frozen)
    times_s = np.arange(0.0, frozen.span_s + 1)
    assert find_stalls(frozen, GeneratedCounter(times_s, 100 * times_s)) == []
    stood = np.clip(times_s - stall.start_s, 0, stall.length_s)
    assert find_stalls(frozen, GeneratedCounter(times_s, 100 * (times_s - stood))) == [stall]


@settings(max_examples=60)
@given(wave_s=st.floats(0.2, 60), size=st.integers(8, 128), waves=st.integers(2, 12), last=st.floats(0.1, 1))
def test_waves_of_answers_are_no_stalls(wave_s: float, size: int, waves: int, last: float) -> None:
    ends_s = np.repeat(np.arange(1, waves + 1) * wave_s, size)[: int(size * (waves - 1 + last))]
    spread = np.linspace(0, 0.01, len(ends_s))
    zeros = np.zeros(len(ends_s), dtype=np.int64)
    trace = RunTrace.of(zeros, ((ends_s + spread) * 1e9).astype(np.int64), zeros, zeros)
    assert trace is not None
    assert find_stalls(trace) == []


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 10**11), st.integers(1, 10**11), st.integers(-1, 10**6)), max_size=60)
)
def test_no_records_are_refused(rows: list[tuple[int, int, int]]) -> None:
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    trace = RunTrace.of(table[:, 0], table[:, 0] + table[:, 1], table[:, 2], np.arange(len(table)))
    assert (trace is None) == (not rows)
    found = find_disturbances({"performance": ExaminedRun(trace), "accuracy": ExaminedRun(trace)})
    assert {each.kind for each in found.found} <= {"stall"}
    for each in found.found:
        assert all(map(math.isfinite, each.evidence.values()))


def test_a_lone_long_answer_is_no_stall_but_many_late_ones_are() -> None:
    # One request a second of 0.2 s each; one of them is 150 times as long.
    planned_s = np.arange(100.0)
    latency_s = np.full(100, 0.2)
    latency_s[60] = 30.0
    assert find_stalls(_trace(planned_s, planned_s + latency_s)) == []
    last = np.where(planned_s == planned_s.max(), 30.0, 0.2)
    assert find_stalls(_trace(planned_s, planned_s + last, tokens=1000 * last)) == []
    latency_s[40:70] = 70 - planned_s[40:70] + 0.01 * np.arange(30)
    [stall] = find_stalls(_trace(planned_s, planned_s + latency_s))
    assert stall.start_s == pytest.approx(40, abs=1)
    assert stall.length_s == pytest.approx(30, abs=1)
    assert stall.expected >= 25


def _trace(planned_s: Floats, end_s: Floats, tokens: Floats | None = None) -> RunTrace:
    counted = np.zeros(len(planned_s)) if tokens is None else tokens
    times = [(each * 1e9).astype(np.int64) for each in (planned_s, end_s)]
    trace = RunTrace.of(*times, counted.astype(np.int64), np.arange(len(planned_s)))
    assert trace is not None
    return trace


def test_a_rate_that_falls_and_a_latency_that_grows_are_drifts() -> None:
    rng = np.random.default_rng(8)
    steady = System(rng, 2000, "varied", servers=8, mean_s=0.5)
    run = steady.run(None)
    assert can_drift(run)
    assert find_drift(run) is None
    # Each second takes longer than the one before: half the rate at the end.
    found = find_drift(replace(run, end_s=run.end_s * (1 + run.end_s / run.span_s / 2)))
    assert found is not None
    assert found.of_rate
    assert found.change < -0.2
    served = steady.run(0.5)
    assert find_drift(served) is None
    slower = served.planned_s + served.latency_s * (1 + 6 * served.planned_s / served.span_s)
    grown = find_drift(_trace(served.planned_s, slower))
    assert grown is not None
    assert not grown.of_rate
    assert grown.change > 2


def test_kendalls_chance_is_exact() -> None:
    assert PartTrend.of(np.arange(10.0)).chance == pytest.approx(2 / math.factorial(10))
    # scipy.stats.kendalltau(range(5), [1, 2, 4, 3, 5], method="exact"): p 0.0833.
    assert PartTrend.of(np.array([1.0, 2, 4, 3, 5])).chance == pytest.approx(10 / 120)
    assert PartTrend.of(np.arange(10.0)).change == pytest.approx(9)
    assert PartTrend.of(np.ones(10)).chance == 1


def _readings(**changed: float) -> Telemetry:
    times_s = np.arange(0.0, 61)
    values = {
        Metric.LOGICAL_CPUS: 4.0,
        Metric.CPU_CORES: 3.9,
        Metric.OTHER_CORES: 0.1,
        Metric.STEAL_CORES: 0.01,
        Metric.CPU_PRESSURE: 0.5,
    } | {Metric(name): value for name, value in changed.items()}
    return {
        ("host", metric.value): TimeSeries(times_s, np.full(61, value)) for metric, value in values.items()
    }


def _machine(
    telemetry: Telemetry | None, *, servers_seen: bool = True
) -> tuple[list[Disturbance], list[str]]:
    signs = machine_signs("performance", telemetry, 60.0, servers_seen=servers_seen)
    return list(signs.found), [each.kind for each in signs.missing]


def test_load_and_steal_are_found_where_they_take_cores_from_the_run() -> None:
    assert _machine(_readings()) == ([], [])
    [load], _ = _machine(_readings(other_cores=0.4))
    assert load.kind == "machine_load"
    assert load.evidence["other_cores"] == pytest.approx(0.4)
    assert "0.4 of the machine's 4 cores" in load.sentence
    # With free cores, much more is needed before anything is felt.
    assert _machine(_readings(other_cores=0.4, cpu_cores=2.0)) == ([], [])
    assert [each.kind for each in _machine(_readings(other_cores=1.2, cpu_cores=2.0))[0]] == ["machine_load"]
    [steal], _ = _machine(_readings(steal_cores=0.2))
    assert (steal.kind, steal.evidence["steal_cores"]) == ("steal", pytest.approx(0.2))


def test_what_was_not_recorded_is_named_and_not_called_quiet() -> None:
    assert _machine(None) == ([], ["machine_load", "steal", "throttled"])
    earlier = {key: value for key, value in _readings().items() if key[1] in ("cpu_cores", "logical_cpus")}
    assert _machine(earlier)[1] == ["machine_load", "steal"]
    assert _machine(_readings(), servers_seen=False)[1] == ["machine_load", "steal", "throttled"]
    gpu = {("gpu 0", "power_w"): TimeSeries(np.arange(61.0), np.full(61, 700.0))}
    assert _machine(_readings() | gpu)[1] == ["throttled"]


def test_clocks_lowered_for_heat_are_found() -> None:
    times_s = np.arange(0.0, 61)
    hot = (times_s > 30).astype(np.float64)
    gpus = {
        ("gpu 0", "throttled"): TimeSeries(times_s, hot),
        ("gpu 0", "sm_clock_mhz"): TimeSeries(times_s, 1980 - 600 * hot),
        ("gpu 1", "throttled"): TimeSeries(times_s, 0 * hot),
    }
    [found], missing = _machine(_readings() | gpus)
    assert found.kind == "throttled"
    assert found.sentence == (
        "1 GPU lowered the clocks for heat or protection, gpu 0 49 % of the time, with clocks of 1380 to "
        "1980 MHz."
    )
    assert missing == []


def test_readings_outside_of_the_run_do_not_count() -> None:
    busy = _readings(other_cores=4.0)
    before = {key: TimeSeries(each.time_s - 100, each.value) for key, each in busy.items()}
    assert _machine(before) == ([], ["machine_load", "steal"])
