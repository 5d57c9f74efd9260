"""How much work LoadGen makes of a target rate, and when Server queries are due: computed before a run.

Source: test_settings_internal.cc and loadgen.cc of LoadGen in mlcommons/inference, with
sample_concatenate_permutation on, which rounds the work up to whole passes. Pure mathematics.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weighbridge.config.audited_round import audited
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LoadGenScenario, Mode, RunRules, ScenarioRules
from weighbridge.core.errors import InputError

# LoadGen generates this much more work than target_qps and min_duration ask for.
_OFFLINE_SLACK = 1.1
_SINGLE_STREAM_SLACK = 2.0
# Where work is not rounded up to passes: this much more than needed is no reason for another target.
_ENOUGH = 1.25
# A target this close above a step is better lowered to it than paid for with one pass more.
_NEAR_STEP = 1.1
# Far above any run: 10,000 queries/s for more than an hour. The schedule of these takes 2.4 GB.
_MOST = 50_000_000
# Draw more of the random schedule than a run needs: over a pass it is at most some percent off its rate.
_SPARE = 1.1


def server_schedule_s(queries: int, target_qps: float, seed: int) -> NDArray[np.float64]:
    """Return when Server queries are due, (queries,) seconds since the start, exactly as LoadGen draws it.

    LoadGen draws exponential gaps with libstdc++: a Mersenne twister whose seed keeps 32 bits, two of its
    words a number in [0, 1), the logarithm of one minus that, cut to whole nanoseconds.
    """
    twister = np.random.RandomState(seed & 0xFFFFFFFF)
    words = twister.randint(0, 1 << 32, size=2 * queries, dtype=np.uint32).astype(np.float64)
    uniform = (words[0::2] + words[1::2] * 2.0**32) / 2.0**64
    gaps_ns = (-np.log1p(-uniform) / target_qps * 1e9).astype(np.int64)
    due_s: NDArray[np.float64] = np.cumsum(gaps_ns) / 1e9
    return due_s


@dataclass(frozen=True)
class WorkSize:
    """What a run will issue.

    Attributes:
        samples: Samples in all; whole passes over the dataset, unless the round probes.
        scheduled_s: When the last query is due (Server); else the time expected at the target rate.
    """

    samples: int
    scheduled_s: float


def work_size(round_: Round, scenario: ScenarioRules, mode: Mode, target_qps: float) -> WorkSize:
    """Compute how many samples LoadGen will issue, and how long that takes at the target rate.

    Raises:
        InputError: they are more than any run could have.
    """
    unit = _unit(round_)
    min_duration_s = scenario.min_duration_s if mode is Mode.PERFORMANCE else 0.0
    least = round_.samples if mode is Mode.ACCURACY else scenario.min_query_count
    if max(least, min_duration_s * target_qps) > _MOST:
        raise InputError(
            f"{scenario.name}: target_qps {target_qps:g} for {min_duration_s:g} s, and at least {least} "
            f"queries, is more than the {_MOST} that a run can have; lower target_qps, or what is in "
            "user_conf."
        )
    if scenario.offline:
        samples = _rounded_up(max(least, int(_OFFLINE_SLACK * min_duration_s * target_qps)), unit)
        return WorkSize(samples, samples / target_qps)
    if _is_single_stream(scenario):
        samples = _single_stream_samples(round_, mode, least, min_duration_s, target_qps)
        return WorkSize(samples, samples / target_qps)
    return _server_work(round_, _rounded_up(least, unit), unit, min_duration_s, target_qps)


def work_of_run(round_: Round, scenario: ScenarioRules, run: RunRules, target_qps: float) -> WorkSize:
    """Compute what one of a scenario's runs will issue, as `work_size` does; a compliance run is shorter.

    Raises:
        InputError: it is more than any run could have, or the round has no rules for the compliance test.
    """
    if run.compliance_test is None:
        return work_size(round_, scenario, run.mode, target_qps)
    followed = audited(round_, run.compliance_test)
    return work_size(followed, followed.scenario(scenario.name), run.mode, target_qps)


def _single_stream_samples(
    round_: Round, mode: Mode, least: int, min_duration_s: float, target_qps: float
) -> int:
    """Compute how many queries LoadGen issues one after the other.

    With whole passes on, it plans twice the work, and then completes the pass, or adds one where the pass is
    complete already. With them off, it ends when there are enough queries and the time is over.
    """
    if mode is Mode.ACCURACY:
        return round_.samples
    if not round_.loadgen_rules.whole_passes:
        return max(least, math.ceil(min_duration_s * target_qps))
    planned = max(least, int(_SINGLE_STREAM_SLACK * min_duration_s * target_qps))
    return planned + round_.samples - planned % round_.samples


def _server_work(round_: Round, least: int, unit: int, min_duration_s: float, target_qps: float) -> WorkSize:
    """Compute the work from LoadGen's schedule: up to the first unit that ends late enough."""
    drawn = _rounded_up(max(least, math.ceil(_SPARE * min_duration_s * target_qps)), unit)
    while True:
        due_s = server_schedule_s(drawn, target_qps, round_.loadgen_rules.seeds.schedule)
        if due_s[-1] >= min_duration_s:
            break
        drawn *= 2
    units = 1 + int(np.searchsorted(due_s[unit - 1 :: unit], min_duration_s))
    samples = max(least, units * unit)
    return WorkSize(samples, float(due_s[samples - 1]))


def _rounded_up(count: int, unit: int) -> int:
    return math.ceil(count / unit) * unit


def _unit(round_: Round) -> int:
    """Return the number of samples that LoadGen rounds its work up to: a whole pass, or one."""
    return round_.samples if round_.loadgen_rules.whole_passes else 1


def passes_issued(round_: Round, scenario: ScenarioRules, target_qps: float) -> int:
    """Compute how many times a performance run covers the samples."""
    return work_size(round_, scenario, Mode.PERFORMANCE, target_qps).samples // round_.samples


def passes_needed(round_: Round, scenario: ScenarioRules, rate: float) -> int:
    """Compute the fewest passes with which a run at `rate` lasts long enough."""
    wanted = max(scenario.min_duration_s * rate, scenario.min_query_count)
    return max(1, math.ceil(wanted / round_.samples))


def issues_as_needed(round_: Round, scenario: ScenarioRules, target_qps: float, rate: float) -> bool:
    """Return whether a target rate asks for as much work as a run at `rate` needs, and not for much more."""
    if round_.loadgen_rules.whole_passes:
        return passes_issued(round_, scenario, target_qps) == passes_needed(round_, scenario, rate)
    issued = work_size(round_, scenario, Mode.PERFORMANCE, target_qps).samples
    needed = max(scenario.min_duration_s * rate, scenario.min_query_count)
    return needed <= issued <= _ENOUGH * needed


def largest_target_qps(round_: Round, scenario: ScenarioRules, passes: int) -> float:
    """Return the largest target rate with which LoadGen issues this many passes.

    It is cut to three digits (Server: to one), because a rate rounded up could ask for one more pass.
    """
    count, min_duration_s = passes * round_.samples, scenario.min_duration_s
    if scenario.offline:
        return math.floor(1000 * count / min_duration_s / _OFFLINE_SLACK) / 1000
    if _is_single_stream(scenario):  # which goes on where this many are planned
        return math.floor(1000 * (count - 0.5) / min_duration_s / _SINGLE_STREAM_SLACK) / 1000
    at_one_qps_s = float(server_schedule_s(count, 1.0, round_.loadgen_rules.seeds.schedule)[-1])
    return math.floor(10 * at_one_qps_s / min_duration_s) / 10


def offline_target_qps(round_: Round, scenario: ScenarioRules, rate: float) -> float:
    """Return the target rate that asks for the work which an offline system of `rate` needs."""
    if not round_.loadgen_rules.whole_passes:
        return float(f"{rate:.4g}")  # LoadGen adds a tenth by itself
    return largest_target_qps(round_, scenario, passes_needed(round_, scenario, rate))


def explain_work(round_: Round, scenario: ScenarioRules, target_qps: float) -> str:
    """Return the sentence on what a target rate makes LoadGen issue, and why."""
    size = work_size(round_, scenario, Mode.PERFORMANCE, target_qps)
    if not round_.loadgen_rules.whole_passes:
        return (
            f"{size.samples} samples: at target_qps {target_qps:g} enough for {scenario.min_duration_s:g} s, "
            f"and at least {scenario.min_query_count}"
        )
    passes = size.samples // round_.samples
    work = (
        f"{size.samples} samples, {passes} whole pass{'es' if passes > 1 else ''} over the {round_.samples}"
    )
    if scenario.offline:
        return (
            f"{work}: LoadGen takes {_OFFLINE_SLACK} x {scenario.min_duration_s:g} s x target_qps "
            f"{target_qps:g}, at least {scenario.min_query_count}, and rounds up"
        )
    if _is_single_stream(scenario):
        return (
            f"{work}: LoadGen takes {_SINGLE_STREAM_SLACK:g} x {scenario.min_duration_s:g} s x target_qps "
            f"{target_qps:g}, at least {scenario.min_query_count}, and goes on to the end of the pass"
        )
    return (
        f"{work}: at target_qps {target_qps:g} the last is due after {size.scheduled_s:.0f} s; LoadGen takes "
        f"whole passes until that is at least {scenario.min_duration_s:g} s"
    )


def warn_of_work(round_: Round, scenario: ScenarioRules, target_qps: float) -> str | None:
    """Return a warning where the target rate makes a run a whole pass longer than needed, else None.

    Of SingleStream, also where `min_query_count` does: LoadGen adds a pass to one that is complete.
    """
    if not round_.loadgen_rules.whole_passes:
        return None
    issued = passes_issued(round_, scenario, target_qps)
    if scenario.has_schedule:
        needed = passes_issued(round_, scenario, target_qps / _NEAR_STEP)
    else:
        needed = passes_needed(round_, scenario, target_qps)
    if issued <= needed:
        return None
    enough = needed * round_.samples
    if _is_single_stream(scenario) and scenario.min_query_count >= enough:
        better = f"a min_query_count below {enough}"
    else:
        better = f"{largest_target_qps(round_, scenario, needed):g}"
    return (
        f"scenarios.{scenario.name}.target_qps {target_qps:g} makes a run of "
        f"{explain_work(round_, scenario, target_qps)}; with {better} it is {enough} samples, which is enough"
    )


def _is_single_stream(scenario: ScenarioRules) -> bool:
    return scenario.loadgen_scenario is LoadGenScenario.SINGLE_STREAM
