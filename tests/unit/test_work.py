"""How much LoadGen issues for a target rate, against the figures that its runs showed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.rounds import load_round
from weighbridge.terms import Scenario
from weighbridge.work import (
    explain_work,
    largest_target_qps,
    offline_target_qps,
    passes_issued,
    passes_needed,
    warn_of_work,
)

ROUND = load_round("v6.0")
OFFLINE, SERVER = Scenario.OFFLINE, Scenario.SERVER


@pytest.mark.parametrize(
    ("scenario", "target_qps", "passes"),
    [
        (OFFLINE, 5, 1),
        (OFFLINE, 18, 1),
        (OFFLINE, 73, 1),
        (OFFLINE, 73.17, 2),
        (OFFLINE, 80.48, 2),
        (OFFLINE, 146.3, 2),
        (OFFLINE, 146.4, 3),
        (SERVER, 11, 1),
        (SERVER, 78, 1),
        (SERVER, 80.2, 2),
        (SERVER, 158, 2),
    ],
)
def test_the_passes_of_known_runs(scenario: Scenario, target_qps: float, passes: int) -> None:
    assert passes_issued(ROUND, scenario, target_qps) == passes


def test_the_offline_target_is_the_largest_that_asks_for_the_passes_needed() -> None:
    for rate, passes in [(5, 1), (73, 1), (80.4, 1), (80.5, 2), (161, 3)]:
        target = offline_target_qps(ROUND, rate)
        assert target == pytest.approx(passes * 73.165, abs=0.01)
        # LoadGen's own arithmetic: whole samples, rounded up to whole passes.
        assert -(-int(1.1 * 600 * target) // 48289) == passes


@given(scenario=st.sampled_from(Scenario), passes=st.integers(1, 40))
def test_the_largest_target_issues_just_its_passes(scenario: Scenario, passes: int) -> None:
    target = largest_target_qps(ROUND, scenario, passes)
    assert passes_issued(ROUND, scenario, target) == passes
    assert passes_issued(ROUND, scenario, 1.01 * target) == passes + 1


@given(rate=st.floats(0.5, 3000))
def test_an_offline_run_with_the_proposed_target_lasts_long_enough(rate: float) -> None:
    samples = passes_issued(ROUND, OFFLINE, offline_target_qps(ROUND, rate)) * ROUND.samples
    assert samples / rate >= 600 * (1 - 1e-12)
    assert passes_needed(ROUND, OFFLINE, rate) * ROUND.samples == samples


@pytest.mark.parametrize(
    ("scenario", "target_qps", "proposed"),
    [
        (OFFLINE, 80, "73.165"),
        (OFFLINE, 150, "146.33"),
        (SERVER, 80.2, "79.9"),
        (OFFLINE, 73, None),
        (OFFLINE, 90, None),
        (SERVER, 79.9, None),
        (SERVER, 120, None),
    ],
)
def test_a_target_that_makes_a_run_longer_than_needed_is_told_with_a_better_one(
    scenario: Scenario, target_qps: float, proposed: str | None
) -> None:
    warning = warn_of_work(ROUND, scenario, target_qps)
    if proposed is None:
        assert warning is None
    else:
        assert f"with {proposed} it is" in (warning or "")


def test_the_work_is_explained_in_numbers() -> None:
    assert "96578 samples, 2 whole passes over the 48289" in explain_work(ROUND, OFFLINE, 80.48)
    assert "48289 samples, 1 whole pass over" in explain_work(ROUND, SERVER, 11)
    assert "about 4359 s" in explain_work(ROUND, SERVER, 11)
