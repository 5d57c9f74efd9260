"""How much work LoadGen makes of a target rate: whole passes over the samples, reckoned beforehand.

Source: test_settings_internal.cc and loadgen.cc of LoadGen in mlcommons/inference, with
sample_concatenate_permutation on, which rounds the work up to whole passes.
"""

import math

from weighbridge.rounds import Round
from weighbridge.terms import Scenario

# LoadGen generates this much more offline work than target_qps and min_duration ask for.
_OFFLINE_SLACK = 1.1
# The server's random gaps add up to a schedule this much shorter than nominal: 0.5 % with v6.0's seeds, 0.7 %
# with v6.1's. Where it falls short of the minimum duration, LoadGen adds a whole pass.
_SCHEDULE_SHARE = 0.993
# A target this close above a step is better lowered to it than paid for with one pass more.
_NEAR_STEP = 1.1


def passes_issued(round_: Round, scenario: Scenario, target_qps: float) -> int:
    """Reckon how many times a performance run covers the samples."""
    rules = round_.scenarios[scenario]
    if scenario is Scenario.OFFLINE:
        wanted = int(_OFFLINE_SLACK * rules.min_duration_s * target_qps)
    else:
        wanted = math.ceil(target_qps * rules.min_duration_s / _SCHEDULE_SHARE)
    return math.ceil(max(wanted, rules.min_query_count) / round_.samples)


def passes_needed(round_: Round, scenario: Scenario, rate: float) -> int:
    """Reckon with how few passes a run at `rate` lasts long enough."""
    rules = round_.scenarios[scenario]
    return max(1, math.ceil(max(rules.min_duration_s * rate, rules.min_query_count) / round_.samples))


def largest_target_qps(round_: Round, scenario: Scenario, passes: int) -> float:
    """Find the largest target rate with which LoadGen issues so many passes.

    It is cut to three digits (Offline) or one (Server): a rate rounded up could ask for one more pass.
    """
    rules = round_.scenarios[scenario]
    offline = scenario is Scenario.OFFLINE
    rate = passes * round_.samples / rules.min_duration_s
    rate = rate / _OFFLINE_SLACK if offline else rate * _SCHEDULE_SHARE
    step = 1000 if offline else 10
    return math.floor(step * rate) / step


def offline_target_qps(round_: Round, rate: float) -> float:
    """Find the target rate that asks for exactly the passes which an offline system of `rate` needs."""
    return largest_target_qps(round_, Scenario.OFFLINE, passes_needed(round_, Scenario.OFFLINE, rate))


def explain_work(round_: Round, scenario: Scenario, target_qps: float) -> str:
    """Say what a target rate makes LoadGen issue, and why."""
    rules, passes = round_.scenarios[scenario], passes_issued(round_, scenario, target_qps)
    count = passes * round_.samples
    work = f"{count} samples, {passes} whole pass{'es' if passes > 1 else ''} over the {round_.samples}"
    if scenario is Scenario.OFFLINE:
        return (
            f"{work}: LoadGen takes {_OFFLINE_SLACK} x {rules.min_duration_s:g} s x target_qps "
            f"{target_qps:g}, at least {rules.min_query_count}, and rounds up"
        )
    return (
        f"{work}: at target_qps {target_qps:g} they last about {_SCHEDULE_SHARE * count / target_qps:.0f} s, "
        f"the fewest passes of at least {rules.min_duration_s:g} s"
    )


def warn_of_work(round_: Round, scenario: Scenario, target_qps: float) -> str | None:
    """Warn of a target rate that makes a run a whole pass longer than it must be, and propose a better."""
    issued = passes_issued(round_, scenario, target_qps)
    if scenario is Scenario.OFFLINE:
        needed = passes_needed(round_, scenario, target_qps)
    else:
        needed = passes_issued(round_, scenario, target_qps / _NEAR_STEP)
    if issued <= needed:
        return None
    better = largest_target_qps(round_, scenario, needed)
    return (
        f"scenarios.{scenario}.target_qps {target_qps:g} makes a run of "
        f"{explain_work(round_, scenario, target_qps)}; with {better:g} it is {needed * round_.samples} "
        f"samples, which is enough"
    )
