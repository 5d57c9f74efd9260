"""What the settings of a round ask of the official endpoints client, and how long its runs become."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.derived_round import limited, strict
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.round_settings import check_against_round, planned_scenarios
from weighbridge.config.scenario_rules import Mode, RunRules
from weighbridge.config.settings import Settings, portable_settings
from weighbridge.core.errors import InputError
from weighbridge.endpoints.work_of_rounds import warn_of_work, work_of_run

ROOT = Path(__file__).parents[2]
ROUND = load_round("qwen3-vl-235b-a22b/v6.1-endpoints")
COMMIT = "ea3327530376fef63d706f4105612e17c2c80a8d"
EIGHT = {
    "repo": "nvidia/Shopify-product-catalogue-8k",
    "revision": "2bc8c6c4b6ebd27b880b0cba519cb45d09867045",
}


def _settings(**changes: Any) -> Settings:
    """Return the settings of config.yaml for such a round, with changes by dotted key."""
    data = yaml.safe_load((ROOT / "config.yaml").read_text())
    data["round"] = "qwen3-vl-235b-a22b/v6.1-endpoints"
    data["artifacts"] |= {
        "client": {"repo": "mlcommons/endpoints", "revision": COMMIT},
        "further_datasets": {"8k": EIGHT},
    }
    data["scenarios"] = {
        "offline": {"target_qps": 73.1},
        "server": None,
        "interactive": {"target_qps": 12.1},
    }
    for dotted, value in changes.items():
        *place, key = dotted.split("__")
        section = data
        for name in place:
            section = section.setdefault(name, {})
        section[key] = value
    return portable_settings(data, ROOT)


def test_a_round_of_the_official_client_is_measurable_and_a_null_takes_a_scenario_out() -> None:
    settings = _settings()
    check_against_round(settings, ROUND)
    assert list(planned_scenarios(settings, ROUND)) == ["offline", "interactive"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"artifacts__client": None}, f"'artifacts.client' is missing, but .* 'revision': {COMMIT}"),
        ({"artifacts__client__revision": "3" * 40}, f"accepts results of {COMMIT} only"),
        ({"requests__guided_decoding": True}, "'requests' changes request bodies, .* remove all but 'cache'"),
        ({"stop_when_lost": True}, "'stop_when_lost' is true, but .* remove it"),
        ({"scenarios__interactive__target_qps": "auto"}, "target_qps' is 'auto', but .* set a number"),
        ({"scenarios__interactive__target_qps": "offline*0.5"}, r"is 'offline\*0.5', but .* set a number"),
        ({"scenarios__offline__user_conf": "mine.conf"}, "user_conf' is a file for LoadGen"),
        ({"scenarios__offline__performance_runs": 3}, "performance_runs' is 3, but .* measures once"),
    ],
)
def test_what_the_client_cannot_do_is_refused(change: Mapping[str, Any], message: str) -> None:
    settings = _settings(**change)
    with pytest.raises(InputError, match=message):
        check_against_round(settings, ROUND)


def test_a_compliance_test_is_of_loadgen_only() -> None:
    rules = ROUND.scenario("offline")
    test = RunRules(mode=Mode.PERFORMANCE, compliance_test="TEST06")
    with_test = rules.model_copy(update={"runs": {**rules.runs, "test06": test}})
    round_ = ROUND.model_copy(update={"scenarios": {**ROUND.scenarios, "offline": with_test}})
    with pytest.raises(InputError, match=r"offline/test06 is the compliance test TEST06, which only LoadGen"):
        check_against_round(_settings(), round_)


def test_scenarios_with_one_dataset_read_the_same_of_it() -> None:
    rules = ROUND.scenario("server")
    assert rules.endpoints is not None
    other = rules.endpoints.model_copy(update={"dataset": "other::q3vl"})
    changed = rules.model_copy(update={"endpoints": other})
    round_ = ROUND.model_copy(update={"scenarios": {**ROUND.scenarios, "server": changed}})
    with pytest.raises(InputError, match=r"server of round .* has the preset other::q3vl, but another"):
        check_against_round(_settings(), round_)


def test_such_a_round_has_no_first_samples_and_its_scenarios_own_floors_become_strict() -> None:
    with pytest.raises(InputError, match="reads the whole dataset; remove it"):
        limited(ROUND, 20)
    floor = strict(ROUND).scenario("interactive").metrics["f1"].floor
    assert floor == pytest.approx(0.999 * 0.7878)


def _work(round_: Round, scenario: str, run: str, target_qps: float) -> tuple[int, int]:
    rules = round_.scenario(scenario)
    size = work_of_run(round_of_scenario(round_, scenario), rules, rules.rules_of(run), target_qps)
    return size.samples, round(size.scheduled_s)


def test_the_work_of_a_run_is_that_of_the_rounds_driver() -> None:
    assert _work(ROUND, "interactive", "performance", 3) == (8000, 2667)
    assert _work(ROUND, "interactive", "accuracy", 3) == (8000, 2667)
    assert _work(ROUND, "interactive", "performance", 1310) == (872_000, 666)
    assert _work(ROUND, "offline", "performance", 73.1) == (48_289, 661)
    # LoadGen takes passes until its own schedule is long enough.
    assert _work(load_round("v6.0"), "server", "performance", 70) == (48_289, 687)


@pytest.mark.parametrize(
    ("scenario", "target_qps", "better"),
    [
        ("interactive", 12.1, None),
        ("interactive", 12.2, "with 12.121 it is 8000 samples"),
        ("interactive", 13.4, None),
        ("offline", 73.1, None),
        ("offline", 73.3, "with 73.165 it is 48289 samples"),
        ("offline", 81, None),
    ],
)
def test_a_rate_that_makes_a_run_a_pass_longer_than_needed_is_warned_of(
    scenario: str, target_qps: float, better: str | None
) -> None:
    round_ = round_of_scenario(ROUND, scenario)
    warning = warn_of_work(round_, round_.scenario(scenario), target_qps)
    assert (warning is None) if better is None else better in str(warning)
