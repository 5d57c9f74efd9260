"""Which sessions a sweep will consist of, before anything is probed or sized: pure."""

from dataclasses import dataclass

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.sweep_plan import CellPlan, PhaseCounts, SessionKey, SweepPlan, Wave
from weighbridge.sweep.planning import Identities, needed_waves, wanted_cells, with_wave, without_outdated

# How many conversations a run will have is not known yet, and no session depends on it.
_ANY_COUNTS = PhaseCounts(warmup=0, measured=1, cooldown=0)


@dataclass(frozen=True)
class ExpectedSessions:
    """What a sweep consists of, waves that are planned and waves that will be.

    Attributes:
        waves: All waves, with their systems, orders and cells; counts are right where a wave is planned.
    """

    waves: tuple[Wave, ...]

    @property
    def sessions(self) -> tuple[SessionKey, ...]:
        """All sessions, in the order in which they are held."""
        return tuple(session for wave in self.waves for session in wave.sessions())

    def runs_of(self, session: SessionKey) -> int:
        """Return how many runs a session has."""
        [wave] = [wave for wave in self.waves if wave.number == session.wave]
        return len(wave.cells) * wave.repeats


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
    return ExpectedSessions(plan.waves)


def held_one_by_one(settings: SweepSettings) -> bool:
    """Return whether the sessions are known from the settings, and each can be a job of its own.

    Servers that run side by side live as long as the sweep, and automatic loads depend on what is measured.
    """
    return not settings.coexist and not settings.levels.auto
