"""What changes the simulated server's speed from run to run and over time: noise, drift, pauses."""

import math
from statistics import NormalDist

from weighbridge.simulate.behaviour import Behaviour, uniform

_PURPOSE = 6  # of the draw of a run's factor


class RunConditions:
    """The factor on service times.

    Attributes:
        run: Number of the run, from 0; emptied caches begin the next one.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        """Begin run 0."""
        self._behaviour = behaviour
        self.run = 0
        self._factor = self._drawn()

    def begin_run(self) -> None:
        """Begin the next run, with a factor of its own."""
        self.run += 1
        self._factor = self._drawn()

    def slowness(self, since_start_s: float) -> float:
        """Return the factor on the service time of a request that arrives so long after the start."""
        return self._factor * (1 + self._behaviour.drift_per_s * since_start_s)

    def _drawn(self) -> float:
        """Return the run's factor: log-normal with mean 1, over the speed."""
        behaviour = self._behaviour
        cv = behaviour.run_noise_cv
        if not cv:
            return 1 / behaviour.speed
        sigma = math.sqrt(math.log1p(cv * cv))
        z = NormalDist().inv_cdf(uniform(self.run, behaviour.noise_seed, _PURPOSE))
        return math.exp(sigma * z - sigma * sigma / 2) / behaviour.speed


class WorkClock:
    """A clock that stands still while the server pauses, so that a queue on it knows of no pauses."""

    def __init__(self, behaviour: Behaviour) -> None:
        """Start both clocks at 0."""
        self._every_s = behaviour.stall_every_s
        self._active_s = self._every_s - behaviour.stall_s
        self.stalls = behaviour.stall_s > 0

    def worked_s(self, real_s: float) -> float:
        """Return this clock's time at a time since the start."""
        if not self.stalls:
            return real_s
        periods, rest_s = divmod(real_s, self._every_s)
        return periods * self._active_s + min(rest_s, self._active_s)

    def real_s(self, worked_s: float) -> float:
        """Return the time since the start at which this clock shows a time."""
        if not self.stalls:
            return worked_s
        periods, rest_s = divmod(worked_s, self._active_s)
        return periods * self._every_s + rest_s
