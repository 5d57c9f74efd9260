"""The peak search without a network: its steps, and whole searches on computed queues."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probes import probe

from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.request_log import RECORD_TYPE, write_parquet
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.fingerprint import canonical
from weighbridge.config.scenario_rules import LatencyLimit, Limits
from weighbridge.config.settings import SearchSettings
from weighbridge.loadgen.early_stopping import max_over_latency
from weighbridge.loadgen.work_size import server_schedule_s
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.records.search_record import Probe
from weighbridge.search.find_peak import rules_of_probes
from weighbridge.search.next_step import Found, GivenUp, Step, next_step
from weighbridge.search.probe_judgement import (
    FullRun,
    OverloadDetector,
    judge,
    judge_all,
    overload_detectors,
    sure_growth,
)
from weighbridge.search.prober import probing_round, rate_correction, read_times
from weighbridge.simulate.behaviour import predict

V6 = load_round("v6.0")
SEED = V6.loadgen_rules.seeds.schedule
FULL = FullRun(queries=48289, duration_s=600.0, limit_s=12.0, percentile=0.99)


def seen(number: int, step: Step, passed: bool, achieved_qps: float | None = None) -> Probe:
    whole = step.kind == "confirmation"
    return probe(number, step.target_qps, None, full_length=whole).model_copy(
        update={
            "passed": passed,
            "achieved_qps": step.target_qps if achieved_qps is None else achieved_qps,
        }
    )


def search(peak_qps: float, offline_qps: float, settings: SearchSettings) -> tuple[list[Probe], object]:
    """Search on a system that passes up to its peak, probe or full length alike."""
    probes: list[Probe] = []
    while isinstance(step := next_step(probes, offline_qps, settings), Step):
        probes.append(seen(len(probes) + 1, step, step.target_qps <= peak_qps))
    return probes, step


@given(share=st.floats(0.3, 1.3), offline_qps=st.floats(0.1, 5000))
def test_a_clear_peak_is_found_within_the_tolerance_and_the_budget(share: float, offline_qps: float) -> None:
    peak = share * offline_qps
    probes, end = search(peak, offline_qps, SearchSettings())
    assert isinstance(end, Found)
    # A thousandth for the four digits that rates are cut to.
    assert peak / 1.021 <= end.run.target_qps <= peak
    assert sum(probe.kind == "probe" for probe in probes) <= 10
    assert probes[-1].kind == "confirmation"
    assert len({probe.target_qps for probe in probes if probe.kind == "probe"}) == len(probes) - 1


def test_a_search_goes_on_from_what_was_seen() -> None:
    probes, _ = search(70, 100, SearchSettings())
    for count in range(len(probes)):
        step = next_step(probes[:count], 100, SearchSettings())
        assert isinstance(step, Step)
        assert (step.kind, step.target_qps) == (probes[count].kind, probes[count].target_qps)


def test_a_failed_confirmation_steps_down_by_the_tolerance_as_often_as_allowed() -> None:
    settings = SearchSettings(tolerance=0.05, max_confirmations=3)
    probes = [
        seen(1, Step("probe", 80), True),
        seen(2, Step("probe", 82), False),
        seen(3, Step("confirmation", 80), False),
    ]
    step = next_step(probes, 100, settings)
    assert step == Step("confirmation", 76.19)
    probes.append(seen(4, step, False))
    step = next_step(probes, 100, settings)
    assert isinstance(step, Step)
    assert isinstance(next_step([*probes, seen(5, step, True)], 100, settings), Found)
    end = next_step([*probes, seen(5, step, False)], 100, settings)
    assert isinstance(end, GivenUp)
    assert "3 full-length runs failed, the lowest at 72.56 queries/s" in end.reason


def test_a_probe_of_full_length_needs_no_confirmation() -> None:
    whole = seen(1, Step("probe", 80), True).model_copy(update={"full_length": True})
    end = next_step([whole, seen(2, Step("probe", 81), False)], 100, SearchSettings())
    assert end == Found(whole)


def test_a_drowned_probe_leads_straight_down_to_what_it_completed() -> None:
    step = next_step([seen(1, Step("probe", 80), False, achieved_qps=20)], 100, SearchSettings())
    assert step == Step("probe", 20)


def test_a_budget_without_a_rate_that_passes_gives_up_and_says_why() -> None:
    _, end = search(0.001, 100, SearchSettings(max_probes=4))
    assert isinstance(end, GivenUp)
    assert end.reason.startswith("no rate passed in 4 probes, the lowest at 40.96")


def test_a_budget_that_ends_early_confirms_the_best_so_far() -> None:
    probes, end = search(97, 100, SearchSettings(max_probes=2))
    assert isinstance(end, Found)
    assert [probe.target_qps for probe in probes] == [80, 100, 80]


def test_late_queries_are_judged_by_the_full_runs_share() -> None:
    assert FULL.allowed(48289) == max_over_latency(48289) == 432
    issued_s = np.linspace(0, 300, 4000)
    latency_s = np.full(4000, 6.0)
    latency_s[1000::150] = 13.0
    late = int((latency_s > 12).sum())
    judged = judge(issued_s, latency_s, 0, FULL)
    assert (judged.passed, judged.over_latency, judged.over_latency_allowed) == (True, late, 35)
    latency_s[1000::50] = 13.0
    judged = judge(issued_s, latency_s, 0, FULL)
    assert not judged.passed
    assert judged.reason == "60 of 4000 queries took longer than 12 s, 35 may"


def test_every_limit_of_the_scenario_is_judged() -> None:
    limits = Limits(
        latency=LatencyLimit(limit_s=12), ttft=LatencyLimit(limit_s=2), tpot=LatencyLimit(limit_s=0.1)
    )
    fulls = {name: FullRun.of(limit, 48289, 80.5) for name, limit in limits.by_name.items()}
    assert list(fulls) == ["latency", "ttft", "tpot"]
    issued_s = np.linspace(0, 300, 4000)
    good = {"latency": np.full(4000, 6.0), "ttft": np.full(4000, 1.0), "tpot": np.full(4000, 0.05)}
    judged = judge_all(issued_s, good, 0, fulls)
    assert judged.passed
    assert (judged.p50_latency_s, judged.over_latency) == (6.0, 0)
    judged = judge_all(issued_s, {**good, "ttft": np.full(4000, 2.5)}, 0, fulls)
    assert not judged.passed
    assert judged.reason == "ttft: 4000 of 4000 queries took longer than 2 s, 35 may"
    assert not judge_all(issued_s, {**good, "tpot": good["tpot"] + 0.1}, 0, fulls).passed
    assert not judge_all(issued_s, {**good, "latency": good["latency"] + 7}, 0, fulls).passed


def test_times_of_tokens_come_from_the_request_log(tmp_path: Path) -> None:
    log = np.zeros(2, dtype=RECORD_TYPE)
    log["planned_ns"], log["end_ns"] = [2_000_000_000, 1_000_000_000], [6_000_000_000, 3_000_000_000]
    log["first_ns"], log["last_ns"], log["tokens"] = [3_000_000_000, 0], [5_000_000_000, 0], [5, 1]
    write_parquet(log, tmp_path / REQUESTS_TABLE)
    issued_s, measured_s = read_times(tmp_path)
    assert issued_s.tolist() == [0, 1]
    assert {name: values.tolist() for name, values in measured_s.items()} == {
        "latency": [2, 4],
        "ttft": [2, 1],
        "tpot": [0, 0.75],
    }


def test_the_ramp_is_not_judged() -> None:
    issued_s = np.linspace(0, 300, 4000)
    latency_s = np.where(issued_s < 75, 20.0, 6.0)
    assert not judge(issued_s, latency_s, 0, FULL).passed
    judged = judge(issued_s, latency_s, 75, FULL)
    assert judged.passed
    assert judged.judged == (issued_s >= 75).sum()
    assert not judge(issued_s, latency_s, 301, FULL).passed


def test_latency_that_will_outgrow_the_limit_fails_before_it_does() -> None:
    issued_s = np.linspace(0, 300, 4000)
    latency_s = 5 + 0.02 * issued_s
    judged = judge(issued_s, latency_s, 75, FULL)
    assert not judged.passed
    assert judged.growth == pytest.approx(0.02)
    assert judged.reason == (
        "latency grows by 0.02 s a second: it would be 17 s at the end of a full run of 600 s"
    )


@given(st.floats(0.01, 10), st.integers(0, 2**32 - 1))
def test_growth_is_that_of_the_line_and_noise_has_none(slope: float, seed: int) -> None:
    issued_s = np.linspace(0, 100, 1000)
    assert sure_growth(issued_s, 3 + slope * issued_s) == pytest.approx(slope)
    assert sure_growth(issued_s, 3 - slope * issued_s) is None
    noise = np.random.default_rng(seed).exponential(1.0, 1000)
    assert (sure_growth(issued_s, noise) or 0) < 0.01
    assert sure_growth(issued_s[:10], noise[:10]) is None


def drive(
    detector: OverloadDetector, arriving_qps: float, served_qps: float, duration_s: float
) -> float | None:
    """Tell a watch twice a second how a run stands; return when it ended the run."""
    for tick in range(int(2 * duration_s)):
        now_s = tick / 2
        state = SampleCounts(int(arriving_qps * now_s), int(min(arriving_qps, served_qps) * now_s), 0)
        if detector(1000 + now_s, state) is not None:
            return now_s
    return None


def test_a_run_that_drowns_is_ended_and_one_that_keeps_up_is_not() -> None:
    ended_s = drive(OverloadDetector(12, 29), 20, 10, 300)
    assert ended_s is not None
    assert 24 <= ended_s < 40
    assert drive(OverloadDetector(12, 29), 10, 10, 300) is None
    # A little above its capacity, and not for long: what waits can still be served in time.
    assert drive(OverloadDetector(12, 29), 10.2, 10, 300) is None


def test_a_server_that_has_only_begun_is_given_time() -> None:
    assert drive(OverloadDetector(12, 0), 20, 0, 23) is None
    assert drive(OverloadDetector(12, 0), 20, 0, 30) == 24


def test_first_tokens_that_do_not_come_end_a_run_whose_answers_take_long_anyway() -> None:
    full = {"ttft": FullRun(queries=13368, duration_s=600.0, limit_s=2.0, percentile=0.99)}
    # 20 a second arrive, each answer takes 15 s; first tokens come at once, or of 10 a second.
    for served_qps, ends in ((20, False), (10, True)):
        [detector] = overload_detectors(full, 1000)
        reasons = []
        for tick in range(100):
            now_s = tick / 2
            done = int(20 * max(0, now_s - 15))
            counts = SampleCounts(int(20 * now_s), done, 0, first_tokens=int(served_qps * now_s))
            reasons.append(detector(now_s, counts))
        assert (reasons[-1] is not None) == ends
    assert reasons[8] is None
    assert "would take longer than 2 s" in str(reasons[-1])


def test_waiting_is_counted_for_each_limit_of_it() -> None:
    assert [len(overload_detectors({name: FULL}, 10)) for name in ("latency", "ttft", "tpot")] == [1, 1, 0]
    assert len(overload_detectors({"latency": FULL, "ttft": FULL, "tpot": FULL}, 10)) == 2


def test_a_probe_shows_each_limit_where_there_are_others_than_latency() -> None:
    issued_s, values = np.linspace(0, 300, 4000), {"ttft": np.full(4000, 1.0), "tpot": np.full(4000, 0.2)}
    fulls = {"ttft": FullRun(48289, 600, 2, 0.99), "tpot": FullRun(48289, 600, 0.1, 0.99)}
    judged = judge_all(issued_s, values, 0, fulls)
    assert not judged.passed
    assert judged.p99_latency_s == 1.0
    assert {name: (each.p99_s, each.limit_s, each.over) for name, each in judged.judged_limits.items()} == {
        "ttft": (1.0, 2, 0),
        "tpot": (0.2, 0.1, 4000),
    }
    assert judge_all(issued_s, {"latency": values["ttft"]}, 0, {"latency": FULL}).judged_limits == {}


def test_a_probe_is_issued_at_the_full_runs_realised_rate() -> None:
    count = 900
    target = 10 * rate_correction(V6, 48289) / rate_correction(V6, count)
    probe_s = server_schedule_s(count, target, SEED)[-1]
    full_s = server_schedule_s(48289, 10, SEED)[-1]
    assert count / probe_s == pytest.approx(48289 / full_s)


def test_probing_rules_ask_for_as_many_queries_and_no_whole_passes() -> None:
    rules = probing_round(V6, "server", 900)
    assert rules.scenarios["server"].min_query_count == 900
    assert rules.scenarios["server"].limits == V6.scenarios["server"].limits
    assert not rules.loadgen_rules.whole_passes
    assert V6.loadgen_rules.whole_passes
    assert rules.scenarios["offline"] == V6.scenarios["offline"]


def computed_peak(passes: Callable[[float], bool], capacity: float) -> float:
    """Return a rate that passes, of which 0.2 % more does not."""
    low, high = 0.5 * capacity, 1.5 * capacity
    while high > 1.002 * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


@pytest.mark.parametrize(
    ("servers", "mean_s", "sigma"), [(200, 5.0, 0.3), (400, 6.0, 0.2), (50, 3.0, 0.2), (640, 4.0, 0.3)]
)
def test_short_probes_find_the_full_runs_peak_of_a_computed_queue(
    servers: int, mean_s: float, sigma: float
) -> None:
    generator = np.random.default_rng(1)
    queries, limit_s = 48289, 12.0
    service_s = mean_s * np.exp(sigma * generator.standard_normal(queries) - sigma**2 / 2)

    def passes(rate: float) -> bool:
        latency_s = predict(server_schedule_s(queries, rate, SEED), service_s, servers)
        return int((latency_s > limit_s).sum()) <= 432

    low = computed_peak(passes, servers / mean_s)

    settings, probes = SearchSettings(), []
    while isinstance(step := next_step(probes, 0.99 * servers / mean_s, settings), Step):
        if step.kind == "confirmation":
            probes.append(seen(len(probes) + 1, step, passes(step.target_qps)))
            continue
        count = round(step.target_qps * settings.probe_s)
        rate = step.target_qps * rate_correction(V6, queries) / rate_correction(V6, count)
        due_s = server_schedule_s(count, rate, SEED)
        latency_s = predict(due_s, generator.choice(service_s, count), servers)
        full = FullRun(queries, queries / step.target_qps, limit_s, 0.99)
        judged = judge(due_s, latency_s, 0.25 * settings.probe_s, full)
        achieved = count / float((due_s + latency_s).max())
        probes.append(seen(len(probes) + 1, step, judged.passed, achieved))
    assert isinstance(step, Found)
    assert step.run.target_qps == pytest.approx(low, rel=0.03)
    assert len(probes) <= 10


@pytest.mark.parametrize(
    ("servers", "ttft_s", "tpot_s", "limits"),
    [
        (64, 0.1, 0.02, {"ttft": 2.0, "tpot": 0.1}),
        (256, 0.2, 0.015, {"ttft": 0.5, "tpot": 0.03}),
    ],
)
def test_short_probes_find_the_peak_of_a_computed_queue_under_limits_of_tokens(
    servers: int, ttft_s: float, tpot_s: float, limits: dict[str, float]
) -> None:
    generator = np.random.default_rng(3)
    queries, tokens = 13368, generator.integers(40, 129, 13368)
    first_s = ttft_s * np.exp(0.2 * generator.standard_normal(queries))
    total_s = first_s + tpot_s * (tokens - 1)

    def measured_s(due_s: np.ndarray, which: np.ndarray) -> dict[str, np.ndarray]:
        latency_s = predict(due_s, total_s[which], servers)
        wait_s = latency_s - total_s[which] + first_s[which]
        return {"ttft": wait_s, "tpot": (latency_s - wait_s) / (tokens[which] - 1), "latency": latency_s}

    def passes(rate: float) -> bool:
        found = measured_s(server_schedule_s(queries, rate, SEED), np.arange(queries))
        return all(int((found[name] > limit_s).sum()) <= 107 for name, limit_s in limits.items())

    assert max_over_latency(queries) == 107
    low = computed_peak(passes, servers / total_s.mean())

    settings, probes = SearchSettings(), []
    while isinstance(step := next_step(probes, 0.99 * servers / total_s.mean(), settings), Step):
        if step.kind == "confirmation":
            probes.append(seen(len(probes) + 1, step, passes(step.target_qps)))
            continue
        count = round(step.target_qps * settings.probe_s)
        rate = step.target_qps * rate_correction(V6, queries) / rate_correction(V6, count)
        due_s = server_schedule_s(count, rate, SEED)
        found = measured_s(due_s, generator.choice(queries, count))
        fulls = {
            name: FullRun(queries, queries / step.target_qps, limit_s, 0.99)
            for name, limit_s in limits.items()
        }
        judged = judge_all(due_s, found, 0.25 * settings.probe_s, fulls)
        achieved = count / float((due_s + found["latency"]).max())
        probes.append(seen(len(probes) + 1, step, judged.passed, achieved))
    assert isinstance(step, Found)
    assert step.run.target_qps == pytest.approx(low, rel=0.05)
    assert len(probes) <= 12


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("v6.0", "9f788e4dc1718843ac4930e8444683b0e99d54acd7b2fdc4f0b9da599ba5bccf"),
        ("v6.1", "456569f57011ce5de9a4d158ebc989bcc7f0af5ca945aa3dceb2fc8a414df1d7"),
    ],
)
def test_an_interrupted_search_of_an_earlier_release_finds_its_probes(name: str, sha256: str) -> None:
    # The folder of the probes is named by a hash of these rules: a new value here means that all of a user's
    # probes are made again.
    rules = canonical(rules_of_probes(load_round(name)))
    assert hashlib.sha256(rules.encode()).hexdigest() == sha256
