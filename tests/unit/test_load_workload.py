"""How much work a run will be: the figures of the specification, section 2.3."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.load.userconf import user_conf
from weighbridge.load.workload import server_schedule_s, work_size
from weighbridge.rounds import Round, load_round
from weighbridge.terms import Mode, Scenario


@pytest.fixture(scope="module")
def v60() -> Round:
    return load_round("v6.0", Path(__file__).parents[2] / "workflow" / "rounds")


@pytest.mark.parametrize(
    ("target_qps", "samples"),
    [(5, 48289), (18, 48289), (73, 48289), (73.17, 96578), (80.48, 96578), (146.3, 96578), (146.4, 144867)],
)
def test_offline_rounds_up_to_whole_passes(v60: Round, target_qps: float, samples: int) -> None:
    assert work_size(v60, Scenario.OFFLINE, Mode.PERFORMANCE, target_qps).samples == samples


@pytest.mark.parametrize(
    ("target_qps", "passes", "duration_s"),
    [(5, 1, 9613), (11, 1, 4370), (40, 1, 1202), (68, 1, 707), (78, 1, 616), (80.2, 2, 1203), (160, 2, 603)],
)
def test_server_draws_the_schedule_that_loadgen_draws(
    v60: Round, target_qps: float, passes: int, duration_s: float
) -> None:
    size = work_size(v60, Scenario.SERVER, Mode.PERFORMANCE, target_qps)
    assert size.samples == passes * 48289
    assert size.scheduled_s == pytest.approx(duration_s, abs=1)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_an_accuracy_run_is_one_pass(v60: Round, scenario: Scenario) -> None:
    assert work_size(v60, scenario, Mode.ACCURACY, 1000).samples == 48289


@given(st.floats(0.5, 50), st.integers(1, 3000))
def test_a_schedule_rises_and_keeps_its_rate(target_qps: float, queries: int) -> None:
    due_s = server_schedule_s(queries, target_qps, 3936089224930324775)
    assert len(due_s) == queries
    assert np.all(np.diff(due_s) > 0)
    assert due_s[0] > 0
    same = server_schedule_s(queries, 1.0, 3936089224930324775)
    np.testing.assert_allclose(due_s * target_qps, same, rtol=1e-6)


def test_the_schedule_is_loadgens_to_the_nanosecond() -> None:
    # generated_query_duration in the detail log of LoadGen 6.0.15, at 50,000 queries/s, for one and two
    # passes.
    due_s = server_schedule_s(96578, 50000, 3936089224930324775)
    assert round(due_s[48288] * 1e9) == 961281787
    assert round(due_s[96577] * 1e9) == 1929825899


def test_user_conf_names_the_model_in_every_line(v60: Round) -> None:
    lines = user_conf(v60, Scenario.SERVER, 12.5).splitlines()
    assert all(line.startswith("qwen3-vl-235b-a22b.") for line in lines)
    assert "qwen3-vl-235b-a22b.Server.target_qps = 12.5" in lines
    assert "qwen3-vl-235b-a22b.Server.min_duration = 600000" in lines
    assert "qwen3-vl-235b-a22b.Server.min_query_count = 48289" in lines
    assert "qwen3-vl-235b-a22b.Server.target_latency = 12000" in lines
    assert not any("latency" in line for line in user_conf(v60, Scenario.OFFLINE, 12.5).splitlines())
