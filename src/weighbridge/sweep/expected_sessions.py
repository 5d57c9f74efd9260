"""Which sessions a sweep will consist of, before anything is probed or sized: pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.sweep_plan import CellPlan, PhaseCounts, SessionKey, SweepPlan, Wave
from weighbridge.sweep.planning import (
    Identities,
    is_wanted,
    needed_waves,
    wanted_cells,
    with_wave,
    without_outdated,
)

# How many conversations a run will have is not known yet, and no session depends on it.
_ANY_COUNTS = PhaseCounts(warmup=0, measured=1, cooldown=0)
# Of a run beside its measured part and its warm-up: its start and end, and what resets caches.
_AROUND_S = 3.0


@dataclass(frozen=True)
class ExpectedSessions:
    """What a sweep consists of, waves that are planned and waves that will be.

    Attributes:
        waves: All waves, with their systems, orders and cells; counts are right where a wave is planned.
        runs: How many runs each session has of what is asked for, in the order in which sessions are held;
            sessions of which nothing is asked for any more are left out.
    """

    waves: tuple[Wave, ...]
    runs: Mapping[SessionKey, int]

    @property
    def sessions(self) -> tuple[SessionKey, ...]:
        """All sessions, in the order in which they are held."""
        return tuple(self.runs)

    def runs_of(self, session: SessionKey) -> int:
        """Return how many runs a session has."""
        return self.runs[session]


def expected_sessions(
    settings: SweepSettings, plan: SweepPlan | None, identities: Identities
) -> ExpectedSessions:
    """Return the sessions of a sweep whose loads are all given.

    Args:
        settings: The sweep's.
        plan: Its plan so far; None: there is none.
        identities: What each system and workload is now.
    """
    plan = without_outdated(plan or SweepPlan(sweep=settings.name), identities)
    for needed in needed_waves(settings, plan, wanted_cells(settings, plan), identities):
        cells = [
            CellPlan(workload=cell.workload, level=cell.level, counts=_ANY_COUNTS) for cell in needed.cells
        ]
        plan = with_wave(settings, plan, needed, cells, identities)
    runs = {
        key: wave.repeats * sum(is_wanted(settings, plan, key, cell) for cell in wave.cells)
        for wave in plan.waves
        for key in wave.sessions()
    }
    return ExpectedSessions(plan.waves, {key: number for key, number in runs.items() if number})


def held_one_by_one(settings: SweepSettings) -> bool:
    """Return whether the sessions are known from the settings, and each can be a job of its own.

    Servers that run side by side live as long as the sweep, and automatic loads depend on what is measured.
    """
    return not settings.coexist and not settings.levels.auto


def expected_run_s(settings: SweepSettings) -> float:
    """Return how long a run is expected to take, in s, before any was made."""
    return settings.duration_s + settings.warmup_s + _AROUND_S
