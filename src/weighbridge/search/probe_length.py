"""Whether a run has a probe before it: known without a server, for those who plan a run."""

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.loadgen.work_size import work_size

# Of the run's schedule. A longer probe would cost more than it saves, as most rates that are asked for pass.
_LARGEST_SHARE = 0.05


def probe_length_s(
    round_: Round, scenario: ScenarioRules, mode: Mode, target_qps: float, probe_s: float
) -> float:
    """Return the length of the probe before a run, in seconds; 0: there is none.

    There is none for a run that issues no rate or has no limit to keep, for a short one, and where the round
    lets servers reuse work: what the probe sent could be answered sooner in the run.

    Args:
        round_: The rules.
        scenario: The run's.
        mode: The run's.
        target_qps: Queries/s that it will issue.
        probe_s: Length that is asked for; 0: none.
    """
    if mode is not Mode.PERFORMANCE or not scenario.searchable:
        return 0.0
    if not round_.runs_are_independent:
        return 0.0
    full_s = work_size(round_, scenario, mode, target_qps).scheduled_s
    return probe_s if probe_s <= _LARGEST_SHARE * full_s else 0.0
