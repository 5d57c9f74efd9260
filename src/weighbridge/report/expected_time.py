"""How long runs and searches will take, computed from their rules before anything starts."""

import math
from dataclasses import dataclass

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, RunRules, ScenarioRules
from weighbridge.config.settings import SearchSettings
from weighbridge.core.formatting import duration
from weighbridge.endpoints.work_of_rounds import work_of_run
from weighbridge.loadgen.work_size import work_size
from weighbridge.search.next_step import BRACKET_STEP


@dataclass(frozen=True)
class ExpectedTime:
    """A time that is expected, in seconds: from `least_s` to `most_s`, which are equal where it is known."""

    least_s: float
    most_s: float

    @classmethod
    def exactly(cls, seconds: float) -> "ExpectedTime":
        """Return a time without a range."""
        return cls(seconds, seconds)

    def __add__(self, other: "ExpectedTime") -> "ExpectedTime":
        """Return the time of one after the other."""
        return ExpectedTime(self.least_s + other.least_s, self.most_s + other.most_s)

    def __mul__(self, count: int) -> "ExpectedTime":
        """Return the time of so many, one after the other."""
        return ExpectedTime(self.least_s * count, self.most_s * count)

    def __str__(self) -> str:
        """Return it for people: 45 min, or 1 h 41 min to 5 h 42 min."""
        least, most = duration(self.least_s), duration(self.most_s)
        return least if least == most else f"{least} to {most}"


def expected_run(
    round_: Round, scenario: ScenarioRules, run: RunRules, target_qps: float, probe_s: float = 0.0
) -> ExpectedTime:
    """Return how long a run lasts at its target rate, with the probe before it.

    Offline and SingleStream take longer on a system that does not reach the rate.
    """
    return ExpectedTime.exactly(probe_s + work_of_run(round_, scenario, run, target_qps).scheduled_s)


def expected_search(
    round_: Round, scenario: ScenarioRules, settings: SearchSettings, target_qps: float
) -> ExpectedTime:
    """Return how long a search takes whose full-length runs are at about a rate.

    At least one probe passes and one fails, a bracket of one step is halved until it is narrow enough, and
    one run of full length confirms. At most, all probes and confirmations of the budget are made.
    """
    full_s = work_size(round_, scenario, Mode.PERFORMANCE, target_qps).scheduled_s
    halvings = math.ceil(math.log2(math.log(BRACKET_STEP) / math.log1p(settings.tolerance)))
    fewest = min(settings.max_probes, 2 + max(0, halvings))
    return ExpectedTime(
        fewest * settings.probe_s + full_s,
        settings.max_probes * settings.probe_s + settings.max_confirmations * full_s,
    )
