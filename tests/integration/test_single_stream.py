"""SingleStream through LoadGen: one query after the other, judged by its p90 latency."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from driving import small_store
from simulating import simulated

from weighbridge.benchmarks.rounds import load_round
from weighbridge.client.issuer import Target
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.derived_round import limited
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.openai_api import Api
from weighbridge.gates.performance_checks import performance_checks
from weighbridge.gates.performance_figures import Performance
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import DETAIL, REQUESTS_TABLE, LoadReport
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import Behaviour

SAMPLES = 16
ANSWER_S = 0.03


def single_stream_round(folder: Path, *, whole_passes: bool, min_query_count: int = 64) -> Round:
    """Return a round with one SingleStream scenario, from a file as a benchmark would write it."""
    rules = {
        "folder": "SingleStream",
        "loadgen_scenario": "SingleStream",
        "metric": {"latency_percentile": 0.9},
        "min_duration_s": 1,
        "min_query_count": min_query_count,
    }
    path = folder / "round.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "extends": "demo",
                "name": "one-by-one",
                "samples": SAMPLES,
                "loadgen": {"whole_passes": whole_passes},
                "scenarios": {"single-stream": rules},
            }
        )
    )
    return load_round(str(path))


def run(
    round_: Round, url: str, folder: Path, target_qps: float, api: Api, mode: Mode = Mode.PERFORMANCE
) -> tuple[LoadGenIssuer, LoadReport, list[SampleCounts]]:
    """Measure once; return the issuer, the report and the counts that an observer received."""
    store = RequestStore.open(small_store(folder / "store", SAMPLES, api=api))
    issuer = LoadGenIssuer(round_, round_.scenarios["single-stream"], mode, target_qps)
    seen: list[SampleCounts] = []
    target = Target((url,), store, ClientSettings(connections=4))
    return issuer, issuer.issue(target, folder / "run", seen.append), seen


@pytest.mark.parametrize(("whole_passes", "api"), [(True, Api.CHAT), (False, Api.COMPLETIONS)])
def test_queries_follow_each_other_and_the_gates_pass(whole_passes: bool, api: Api, tmp_path: Path) -> None:
    round_ = single_stream_round(tmp_path, whole_passes=whole_passes)
    with simulated(Behaviour(servers=8, mean_s=ANSWER_S)) as url:
        issuer, report, seen = run(round_, url, tmp_path, 30, api)
    assert report.failed == {}
    assert all(counts.issued - counts.completed <= 1 for counts in seen)
    requests = pd.read_parquet(tmp_path / "run" / REQUESTS_TABLE).sort_values("planned_ns")
    ends_ns, starts_ns = requests["end_ns"].to_numpy(), requests["planned_ns"].to_numpy()
    assert (starts_ns[1:] >= ends_ns[:-1]).all()
    if whole_passes:
        # More than twice the duration at the expected rate: 4 passes; LoadGen adds one to whole passes.
        assert report.issued == issuer.plan.expected == 5 * SAMPLES
        assert set(requests["sample"].value_counts()) == {5}
    else:
        assert report.issued == issuer.plan.expected == 64
    log, rules = read_detail(tmp_path / "run" / DETAIL), round_.scenarios["single-stream"]
    checks = performance_checks(log, round_, rules)
    assert [check.name for check in checks if not check.passed] == []
    numbers = Performance.of(log, rules)
    assert numbers.rate == numbers.p90_latency_s
    assert numbers.rate is not None
    assert ANSWER_S <= numbers.rate < ANSWER_S + 0.2
    assert numbers.target_qps == pytest.approx(30, rel=0.001)
    assert report.settings["single_stream_target_latency_percentile"] == pytest.approx(0.9)


def test_every_answer_is_collected(tmp_path: Path) -> None:
    round_ = single_stream_round(tmp_path, whole_passes=False)
    with simulated(Behaviour()) as url:
        issuer, report, _ = run(round_, url, tmp_path, 100, Api.COMPLETIONS, Mode.ACCURACY)
    assert report.issued == issuer.plan.expected == SAMPLES
    answers = json.loads((tmp_path / "run" / "mlperf_log_accuracy.json").read_text())
    assert sorted(answer["qsl_idx"] for answer in answers) == list(range(SAMPLES))


def test_too_low_an_expected_rate_is_invalid_and_is_said_to_be(tmp_path: Path) -> None:
    """LoadGen prepares too few queries, and ends before the time is over."""
    round_ = single_stream_round(tmp_path, whole_passes=True, min_query_count=10)
    with simulated(Behaviour(mean_s=ANSWER_S)) as url:
        _, report, _ = run(round_, url, tmp_path, 1, Api.CHAT)
    assert report.issued == SAMPLES
    log = read_detail(tmp_path / "run" / DETAIL)
    missed = [
        check
        for check in performance_checks(log, round_, round_.scenarios["single-stream"])
        if not check.passed
    ]
    assert "duration" in [check.name for check in missed]
    assert all(check.remedy for check in missed)


def test_a_limited_round_issues_its_first_samples_once(tmp_path: Path) -> None:
    round_ = limited(single_stream_round(tmp_path, whole_passes=True), 5)
    store = RequestStore.open(small_store(tmp_path / "store", 5, api=Api.CHAT))
    issuer = LoadGenIssuer(round_, round_.scenarios["single-stream"], Mode.PERFORMANCE, 30)
    with simulated(Behaviour(servers=8, mean_s=ANSWER_S)) as url:
        report = issuer.issue(Target((url,), store, ClientSettings(connections=4)), tmp_path / "run", print)
    assert report.issued == issuer.plan.expected == 5
    assert report.failed == {}
    checks = performance_checks(
        read_detail(tmp_path / "run" / DETAIL), round_, round_.scenarios["single-stream"]
    )
    assert [check.name for check in checks if not check.passed] == ["LoadGen's result"]
    assert next(check for check in checks if not check.passed).asked is False
