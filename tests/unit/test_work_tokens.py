"""How much LoadGen issues in rounds of short answers, against figures that its runs showed."""

import pytest

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.scenario_rules import Mode
from weighbridge.loadgen.work_size import explain_work, offline_target_qps, warn_of_work, work_size

DATACENTER = load_round("llama3.1-8b/v6.0@datacenter")
EDGE = load_round("llama3.1-8b/v6.0@edge")


@pytest.mark.parametrize(
    ("target_qps", "passes"), [(5, 1), (20, 1), (22, 1), (22.3, 2), (25, 2), (44, 2), (80, 4), (400, 18)]
)
def test_a_server_issues_whole_passes_until_ten_minutes_are_over(target_qps: float, passes: int) -> None:
    for name in ("server", "interactive"):
        rules = DATACENTER.scenarios[name]
        assert work_size(DATACENTER, rules, Mode.PERFORMANCE, target_qps).samples == passes * 13368


@pytest.mark.parametrize(("target_qps", "passes"), [(5, 1), (20.25, 1), (20.27, 2), (40.5, 2), (60, 3)])
def test_offline_is_one_pass_up_to_a_rate(target_qps: float, passes: int) -> None:
    rules = DATACENTER.scenarios["offline"]
    assert work_size(DATACENTER, rules, Mode.PERFORMANCE, target_qps).samples == passes * 13368


@pytest.mark.parametrize(("target_qps", "passes"), [(1, 1), (7.57, 1), (7.58, 2)])
def test_edge_offline_is_one_pass_up_to_a_rate(target_qps: float, passes: int) -> None:
    rules = EDGE.scenarios["offline"]
    assert work_size(EDGE, rules, Mode.PERFORMANCE, target_qps).samples == passes * 5000


@pytest.mark.parametrize("target_qps", [0.05, 0.25, 4.16])
@pytest.mark.parametrize(("least", "queries"), [(64, 5000), (1, 5000), (4900, 5000), (5000, 10_000)])
def test_single_stream_adds_a_pass_where_the_queries_asked_for_are_one(
    target_qps: float, least: int, queries: int
) -> None:
    rules = EDGE.scenarios["singlestream"].model_copy(update={"min_query_count": least})
    assert work_size(EDGE, rules, Mode.PERFORMANCE, target_qps).samples == queries
    warning = warn_of_work(EDGE, rules, target_qps)
    if queries == 5000:
        assert warning is None
    else:
        assert "10000 samples, 2 whole passes" in (warning or "")
        assert "a min_query_count below 5000 it is 5000 samples" in (warning or "")


def test_a_single_stream_expected_too_fast_is_told() -> None:
    rules = EDGE.scenarios["singlestream"]
    assert warn_of_work(EDGE, rules, 4.16) is None
    assert "with 4.166 it is 5000 samples" in (warn_of_work(EDGE, rules, 4.2) or "")
    # A device that is as fast needs a second pass for ten minutes, and LoadGen plans a third.
    assert "with 8.332 it is 10000 samples" in (warn_of_work(EDGE, rules, 9) or "")


def test_the_passes_are_explained() -> None:
    server, single = DATACENTER.scenarios["server"], EDGE.scenarios["singlestream"]
    assert "26736 samples, 2 whole passes over the 13368" in explain_work(DATACENTER, server, 22.3)
    assert "5000 samples, 1 whole pass over the 5000" in explain_work(EDGE, single, 0.25)
    assert "goes on to the end of the pass" in explain_work(EDGE, single, 0.25)


def test_a_fast_offline_system_is_proposed_a_target_of_whole_passes() -> None:
    rules = DATACENTER.scenarios["offline"]
    for rate, passes in [(20, 1), (22.2, 1), (22.4, 2), (751, 34)]:
        target = offline_target_qps(DATACENTER, rules, rate)
        size = work_size(DATACENTER, rules, Mode.PERFORMANCE, target)
        assert size.samples == passes * 13368
        assert size.samples / rate >= 600
