"""How many conversations each run has: fixed once from the systems' rates, and the same for all of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.formatting import disk_size
from weighbridge.records.sweep_plan import CellPlan, PhaseCounts
from weighbridge.requests.arrivals import traced_arrivals
from weighbridge.sweep.planning import WantedCell

_FEWEST_REQUESTS = 200
_REQUESTS_A_CONVERSATION = 30  # of a closed loop, so that each of its places is used so often
_FEWEST_WARMUP = 20
_SHORTEST_TRACE_S = 1e-3


@dataclass(frozen=True)
class SizedRun:
    """Conversations of a run, and why there are fewer than asked for; None: there are not."""

    counts: PhaseCounts
    shortened: str | None = None


@dataclass(frozen=True)
class _Load:
    """A load's rates in requests/s: of the slowest and the fastest system; and its conversations at once."""

    slowest: float
    fastest: float
    at_once: int


def sized_run(
    settings: SweepSettings,
    level: LoadLevel,
    rates: Mapping[str, float],
    turns: float,
    arrivals: float | None = None,
) -> SizedRun:
    """Return the conversations of a run at a load.

    Measured are `duration_s` at the slowest system's rate, and at least `min_requests`, but no more than
    `max_duration_s` at that rate; before them, `warmup_s` at the fastest one's.

    Args:
        settings: The sweep's.
        level: The load.
        rates: Requests/s of each system at this load; an open load has its own rate.
        turns: Mean number of requests of a conversation.
        arrivals: Conversations/s of an open load whose file says them.

    Raises:
        ValueError: there is no rate of the load.
    """
    load = _load(level, rates, turns, arrivals)
    fewest = settings.min_requests or max(_FEWEST_REQUESTS, _REQUESTS_A_CONVERSATION * load.at_once)
    wanted = max(settings.duration_s * load.slowest, fewest)
    cap = settings.max_duration_s * load.slowest
    measured = max(load.at_once, _conversations(min(wanted, cap), turns))
    shortened = None
    if wanted > cap and _conversations(wanted, turns) > measured:
        shortened = (
            f"{round(measured * turns)} requests in place of {math.ceil(wanted)}, which would take longer "
            f"than max_duration_s ({settings.max_duration_s:g} s)"
        )
    floor = max(2 * load.at_once, _FEWEST_WARMUP)
    if settings.min_requests is not None:
        floor = min(floor, max(load.at_once, settings.min_requests))
    warmup = _conversations(max(settings.warmup_s * load.fastest, floor), turns)
    cooldown = max(2 * load.at_once, _conversations(floor, turns))
    return SizedRun(PhaseCounts(warmup=warmup, measured=measured, cooldown=cooldown), shortened)


@dataclass
class CellSizes:
    """The cells of a wave as they are sized, until the limit of a workload's store.

    Attributes:
        settings: The sweep's.
        runs: Runs of each cell and system, whose conversations all differ.
    """

    settings: SweepSettings
    runs: int
    _cells: list[CellPlan] = field(default_factory=list)
    _bytes: dict[str, float] = field(default_factory=dict)

    def add(
        self,
        cell: WantedCell,
        rates: Mapping[str, float],
        turns: float,
        conversation_bytes: float,
        same: CellPlan | None = None,
    ) -> None:
        """Add a cell.

        Args:
            cell: The cell.
            rates: Requests/s of each system, of a closed loop.
            turns: Mean number of requests of a conversation.
            conversation_bytes: Mean size of a conversation's bodies.
            same: The cell of another wave or sweep that it shall be like; None: it is sized.

        Raises:
            InputError: a trace cannot be read.
        """
        self._bytes[cell.workload] = conversation_bytes
        if same is not None:
            self._cells.append(same)
            return
        run = self._run(cell.level, rates, turns)
        self._cells.append(
            CellPlan(
                workload=cell.workload,
                level=cell.level,
                counts=run.counts,
                sized_by=dict(rates),
                shortened=run.shortened,
            )
        )

    def _run(self, level: LoadLevel, rates: Mapping[str, float], turns: float) -> SizedRun:
        if level.trace is None:
            return sized_run(self.settings, level, rates, turns)
        arrivals = traced_arrivals(level.trace)
        rate = len(arrivals) / max(float(arrivals[-1]), _SHORTEST_TRACE_S)
        return within_trace(sized_run(self.settings, level, rates, turns, rate), len(arrivals))

    def cells(self) -> list[CellPlan]:
        """Return the cells, with fewer conversations where the store would be larger than its limit."""
        return [self._limited(cell, self._share(cell.workload)) for cell in self._cells]

    def _share(self, workload: str) -> float:
        """Return the share of the measured conversations that fits into a workload's store."""
        counts = [cell.counts for cell in self._cells if cell.workload == workload]
        room = self.settings.store_limit_bytes / max(self._bytes[workload] * self.runs, 1)
        fillers = sum(each.warmup + each.cooldown for each in counts)
        return min(1.0, (room - fillers) / sum(each.measured for each in counts))

    def _limited(self, cell: CellPlan, share: float) -> CellPlan:
        if share >= 1:
            return cell
        limit = f"store_limit_bytes ({disk_size(self.settings.store_limit_bytes)})"
        run = within_limit(SizedRun(cell.counts, cell.shortened), share, limit)
        return cell.model_copy(update={"counts": run.counts, "shortened": run.shortened})


def within_limit(run: SizedRun, share: float, limit: str) -> SizedRun:
    """Return a run with only a share of its measured conversations, since its store would exceed a limit."""
    measured = max(1, math.floor(run.counts.measured * share))
    reason = f"{measured} of {run.counts.measured} conversations, since the store would exceed {limit}"
    return SizedRun(
        run.counts.model_copy(update={"measured": measured}),
        reason if run.shortened is None else f"{run.shortened}; {reason}",
    )


def within_trace(run: SizedRun, arrivals: int) -> SizedRun:
    """Return a run with as many conversations as a trace has, a tenth of them before and after the others."""
    if run.counts.total <= arrivals:
        return run
    fillers = arrivals // 10
    counts = PhaseCounts(warmup=fillers, measured=max(1, arrivals - 2 * fillers), cooldown=fillers)
    return SizedRun(counts, f"the trace has only {arrivals} arrivals")


def _load(level: LoadLevel, rates: Mapping[str, float], turns: float, arrivals: float | None) -> _Load:
    if level.closed is not None:
        return _Load(min(rates.values()), max(rates.values()), level.closed)
    conversations = level.rate or arrivals
    if conversations is None:
        raise ValueError(f"the rate of {level.name} is not known")
    return _Load(conversations * turns, conversations * turns, 1)


def _conversations(requests: float, turns: float) -> int:
    return max(1, math.ceil(requests / turns - 1e-9))
