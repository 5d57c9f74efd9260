"""How much work a round's driver makes of a target rate: LoadGen, or the official endpoints client."""

import math

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, RunRules, ScenarioRules
from weighbridge.endpoints.client_config import SIZING_SLACK, planned_work
from weighbridge.loadgen import work_size as loadgen_work
from weighbridge.loadgen.work_size import WorkSize

# A target rate this close above a step is better lowered to it than paid for with one pass more.
_NEAR_STEP = 1.1


def work_of_run(round_: Round, scenario: ScenarioRules, run: RunRules, target_qps: float) -> WorkSize:
    """Compute what one of a scenario's runs will issue.

    Args:
        round_: The round as it holds for the scenario.
        scenario: The scenario.
        run: The run.
        target_qps: Queries/s, or the samples/s that are expected of an offline system.

    Raises:
        InputError: it is more than any run could have, or the round has no rules for the compliance test.
    """
    if round_.evidence == "endpoints":
        return planned_work(round_, scenario, run.mode, target_qps)
    return loadgen_work.work_of_run(round_, scenario, run, target_qps)


def warn_of_work(round_: Round, scenario: ScenarioRules, target_qps: float) -> str | None:
    """Return a warning where the target rate makes a performance run a pass longer than needed, else None.

    Args:
        round_: The round as it holds for the scenario.
        scenario: The scenario.
        target_qps: As for `work_of_run`.
    """
    if round_.evidence != "endpoints":
        return loadgen_work.warn_of_work(round_, scenario, target_qps)
    issued = _passes(round_, scenario, target_qps)
    if scenario.offline:
        needed = max(1, math.ceil(scenario.min_duration_s * target_qps / round_.samples))
    else:
        needed = _passes(round_, scenario, target_qps / _NEAR_STEP)
    if issued <= needed:
        return None
    enough = needed * round_.samples
    better = math.floor(1000 * enough / SIZING_SLACK / scenario.min_duration_s) / 1000
    return (
        f"scenarios.{scenario.name}.target_qps {target_qps:g} makes a run of {issued * round_.samples} "
        f"samples, {issued} whole passes over the {round_.samples}: the client takes {SIZING_SLACK} x "
        f"{scenario.min_duration_s:g} s x target_qps, and rounds up; with {better:g} it is {enough} samples, "
        "which is enough"
    )


def _passes(round_: Round, scenario: ScenarioRules, target_qps: float) -> int:
    return planned_work(round_, scenario, Mode.PERFORMANCE, target_qps).samples // round_.samples
