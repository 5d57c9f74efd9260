"""How much LoadGen issues for a target rate, against the figures that its runs showed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.loadgen.work_size import (
    explain_work,
    largest_target_qps,
    offline_target_qps,
    passes_issued,
    passes_needed,
    server_schedule_s,
    warn_of_work,
    work_size,
)

ROUND = load_round("v6.0")
OFFLINE, SERVER = ROUND.scenarios["offline"], ROUND.scenarios["server"]


@pytest.mark.parametrize(
    ("target_qps", "passes"),
    [(5, 1), (18, 1), (73, 1), (73.17, 2), (80.48, 2), (146.3, 2), (146.4, 3)],
)
def test_offline_rounds_up_to_whole_passes(target_qps: float, passes: int) -> None:
    assert passes_issued(ROUND, OFFLINE, target_qps) == passes
    size = work_size(ROUND, OFFLINE, Mode.PERFORMANCE, target_qps)
    assert size.samples == passes * 48289
    assert size.scheduled_s == size.samples / target_qps


@pytest.mark.parametrize(
    ("target_qps", "passes", "duration_s"),
    [(5, 1, 9613), (11, 1, 4370), (40, 1, 1202), (68, 1, 707), (78, 1, 616), (80.2, 2, 1203), (160, 2, 603)],
)
def test_the_server_issues_passes_until_its_schedule_is_long_enough(
    target_qps: float, passes: int, duration_s: float
) -> None:
    assert passes_issued(ROUND, SERVER, target_qps) == passes
    size = work_size(ROUND, SERVER, Mode.PERFORMANCE, target_qps)
    assert size.samples == passes * 48289
    assert size.scheduled_s == pytest.approx(duration_s, abs=1)


@pytest.mark.parametrize("scenario", [OFFLINE, SERVER])
@pytest.mark.parametrize(
    ("changes", "target_qps"),
    [({}, 1e6), ({}, 1e300), ({"min_query_count": 10**17}, 5), ({"min_duration_s": 1e12}, 5)],
)
def test_work_that_no_run_can_have_is_refused_before_it_is_computed(
    scenario: ScenarioRules, changes: dict[str, float], target_qps: float
) -> None:
    with pytest.raises(
        InputError, match=rf"^{scenario.name}: .* than the 50000000 that a run can have; lower"
    ):
        warn_of_work(ROUND, scenario.model_copy(update=changes), target_qps)


@pytest.mark.parametrize("scenario", [OFFLINE, SERVER])
def test_an_accuracy_run_is_one_pass(scenario: ScenarioRules) -> None:
    assert work_size(ROUND, scenario, Mode.ACCURACY, 1000).samples == 48289


@given(
    target_qps=st.floats(0.1, 500),
    samples=st.integers(1, 300),
    least=st.integers(1, 400),
    min_duration_s=st.floats(0.1, 10),
    whole_passes=st.booleans(),
)
def test_no_smaller_server_run_would_do(
    target_qps: float, samples: int, least: int, min_duration_s: float, whole_passes: bool
) -> None:
    rules = SERVER.model_copy(update={"min_query_count": least, "min_duration_s": min_duration_s})
    loadgen = ROUND.loadgen_rules.model_copy(update={"whole_passes": whole_passes})
    round_ = ROUND.model_copy(update={"samples": samples, "scenarios": {"server": rules}, "loadgen": loadgen})
    size = work_size(round_, rules, Mode.PERFORMANCE, target_qps)
    unit = samples if whole_passes else 1
    due_s = server_schedule_s(size.samples, target_qps, loadgen.seeds.schedule)
    assert size.samples % unit == 0
    assert size.samples >= least
    assert size.scheduled_s == due_s[-1] >= min_duration_s
    fewer = size.samples - unit
    assert fewer < least or due_s[fewer - 1] < min_duration_s


def test_the_offline_target_is_the_largest_that_asks_for_the_passes_needed() -> None:
    for rate, passes in [(5, 1), (73, 1), (80.4, 1), (80.5, 2), (161, 3)]:
        target = offline_target_qps(ROUND, OFFLINE, rate)
        assert target == pytest.approx(passes * 73.165, abs=0.01)
        # LoadGen's own arithmetic: whole samples, rounded up to whole passes.
        assert -(-int(1.1 * 600 * target) // 48289) == passes


@settings(max_examples=20)
@given(scenario=st.sampled_from([OFFLINE, SERVER]), passes=st.integers(1, 20))
def test_the_largest_target_issues_just_its_passes(scenario: ScenarioRules, passes: int) -> None:
    target = largest_target_qps(ROUND, scenario, passes)
    step = 0.01 if scenario is OFFLINE else 0.1
    assert passes_issued(ROUND, scenario, target) == passes
    assert passes_issued(ROUND, scenario, target + step) == passes + 1


@given(rate=st.floats(0.5, 3000))
def test_an_offline_run_with_the_proposed_target_lasts_long_enough(rate: float) -> None:
    samples = passes_issued(ROUND, OFFLINE, offline_target_qps(ROUND, OFFLINE, rate)) * ROUND.samples
    assert samples / rate >= 600 * (1 - 1e-12)
    assert passes_needed(ROUND, OFFLINE, rate) * ROUND.samples == samples


@pytest.mark.parametrize(
    ("scenario", "target_qps", "proposed"),
    [
        (OFFLINE, 80, "73.165"),
        (OFFLINE, 150, "146.33"),
        (SERVER, 80.2, "80.1"),
        (OFFLINE, 73, None),
        (OFFLINE, 90, None),
        (SERVER, 80.1, None),
        (SERVER, 120, None),
    ],
)
def test_a_target_that_makes_a_run_longer_than_needed_is_told_with_a_better_one(
    scenario: str, target_qps: float, proposed: str | None
) -> None:
    warning = warn_of_work(ROUND, scenario, target_qps)
    if proposed is None:
        assert warning is None
    else:
        assert f"with {proposed} it is" in (warning or "")


def test_the_work_is_explained_in_numbers() -> None:
    assert "96578 samples, 2 whole passes over the 48289" in explain_work(ROUND, OFFLINE, 80.48)
    assert "48289 samples, 1 whole pass over" in explain_work(ROUND, SERVER, 11)
    assert "the last is due after 4370 s" in explain_work(ROUND, SERVER, 11)
