"""Runs of systems whose truth is known: a queue in front of servers, quiet, frozen or slowed."""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weighbridge.disturbances.find_disturbances import ExaminedRun, find_disturbances
from weighbridge.disturbances.run_trace import RunTrace
from weighbridge.records.disturbance import DisturbanceKind

Floats = NDArray[np.float64]
# Answers' lengths: as good as equal, as of one prompt, of chats, and far apart.
LENGTHS = ("alike", "varied", "exponential", "heavy")


class System:
    """A first-come queue in front of servers that take a time in proportion to an answer's length.

    It may freeze, run at another speed, or slow down while it works.
    """

    def __init__(
        self, rng: np.random.Generator, n: int, lengths: str, *, servers: int, mean_s: float
    ) -> None:
        self._rng, self._servers, self._mean_s = rng, servers, mean_s
        drawn = {
            "alike": lambda: rng.normal(1, 0.03, n).clip(0.5),
            "varied": lambda: rng.lognormal(-0.125, 0.5, n),
            "exponential": lambda: rng.exponential(1, n),
            "heavy": lambda: rng.lognormal(-0.5, 1, n),
        }
        self._lengths: Floats = drawn[lengths]()

    def run(
        self,
        load: float | None,
        *,
        speed: float = 1,
        freeze: tuple[float, float] = (0, 0),
        counted: bool = True,
    ) -> RunTrace:
        """Run once over all samples, in an order of its own.

        Args:
            load: Share of the capacity that is asked for; None: all requests are issued at once.
            speed: Of the servers.
            freeze: When nothing works, as a share of the run, and for how many s.
            counted: The servers count tokens.
        """
        sample = self._rng.permutation(len(self._lengths))
        service_s = self._lengths[sample] * self._mean_s * self._rng.lognormal(0, 0.05, len(sample)) / speed
        gap_s = 0.0 if load is None else self._mean_s * float(self._lengths.mean()) / self._servers / load
        planned_s = np.cumsum(self._rng.exponential(1, len(sample)) * gap_s)
        # On the clock of the work, a frozen stretch takes no time.
        start_s = freeze[0] * self._served(planned_s, service_s).max()
        at_work_s = np.where(planned_s < start_s, planned_s, np.maximum(start_s, planned_s - freeze[1]))
        end_s = self._served(at_work_s, service_s)
        end_s = np.where(end_s > start_s, end_s + freeze[1], end_s) if freeze[1] else end_s
        tokens = np.maximum(self._lengths[sample] * 50, 1) if counted else np.zeros(len(sample))
        trace = RunTrace.of(
            (planned_s * 1e9).astype(np.int64),
            (end_s * 1e9).astype(np.int64),
            tokens.astype(np.int64),
            sample,
        )
        assert trace is not None
        return trace

    def _served(self, arrivals_s: Floats, service_s: Floats) -> Floats:
        free = [0.0] * self._servers
        ends_s = []
        for arrival_s, length_s in zip(arrivals_s.tolist(), service_s.tolist(), strict=True):
            ends_s.append(max(heapq.heappop(free), arrival_s) + length_s)
            heapq.heappush(free, ends_s[-1])
        return np.array(ends_s)


@dataclass(frozen=True)
class QuietScenario:
    """A performance and an accuracy run that nothing disturbs: Offline, or at a share of the capacity."""

    requests: int
    servers: int
    lengths: str
    mean_s: float
    load: float | None
    counted: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "QuietScenario":
        """Draw one: 120 or 512 requests, 1 to 256 at once, half Offline, nine of ten with tokens counted."""
        return cls(
            requests=int(rng.choice([120, 512])),
            servers=int(rng.choice([1, 8, 64, 256])),
            lengths=str(rng.choice(LENGTHS)),
            mean_s=float(rng.choice([0.05, 0.5, 5])),
            load=None if rng.random() < 0.5 else float(rng.choice([0.3, 0.6, 0.8, 0.9])),
            counted=bool(rng.random() < 0.9),
        )

    def runs(self, rng: np.random.Generator) -> dict[str, RunTrace]:
        """Run it twice, over the same samples."""
        system = System(rng, self.requests, self.lengths, servers=self.servers, mean_s=self.mean_s)
        return {mode: system.run(self.load, counted=self.counted) for mode in ("performance", "accuracy")}


def kinds_of(runs: dict[str, RunTrace]) -> set[DisturbanceKind]:
    found = find_disturbances({name: ExaminedRun(trace) for name, trace in runs.items()})
    return {each.kind for each in found.found}
