"""When the simulated server serves a request: the same for the server and for the computation without one."""

from typing import NamedTuple

from weighbridge.simulate.behaviour import Behaviour, OutcomeDraws, Queue, ServiceTime
from weighbridge.simulate.prompt_blocks import PrefixCache
from weighbridge.simulate.run_conditions import RunConditions, WorkClock


class Served(NamedTuple):
    """When a request is served, on the work clock, in seconds since the server's start.

    Attributes:
        start_s: The start of its service.
        time: Its first token and its end, since then.
        cached_tokens: Tokens of its prompt that the prefix cache had; -1: there is no cache.
    """

    start_s: float
    time: ServiceTime
    cached_tokens: int


class Service:
    """Service times, the queue, the prefix cache, and what changes the speed.

    Attributes:
        draws: The outcomes of requests.
        clock: The clock on which requests are served.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        """Start with an empty queue and an empty cache."""
        self.draws, self.clock = OutcomeDraws(behaviour), WorkClock(behaviour)
        self._queue = Queue(behaviour.servers)
        self._conditions = RunConditions(behaviour)
        self._cache = PrefixCache() if behaviour.prefix_cache else None
        # Most servers have one speed and no cache: the short way, for the client's benchmarks.
        self._steady = behaviour.steady and self._cache is None

    def begin_run(self) -> None:
        """Empty the cache and begin the next run, with the next factor on service times."""
        self._conditions.begin_run()
        if self._cache is not None:
            self._cache.clear()

    def add(self, at_s: float, key: int, tokens: int, prompt_tokens: int, body: bytes) -> Served:
        """Add a request; requests are added in the order of their arrival.

        Args:
            at_s: When it arrives, in seconds since the server's start.
            key: Hash of its body.
            tokens: Tokens of its answer.
            prompt_tokens: Tokens of its prompt.
            body: The body, which only a prefix cache looks at.
        """
        time = self.draws.service(key, tokens)
        if self._steady:
            return Served(self._queue.add(at_s, time.total_s) - time.total_s, time, -1)
        slowness = self._conditions.slowness(at_s)
        first_s, rest_s = time.first_s * slowness, (time.total_s - time.first_s) * slowness
        cached = -1
        if self._cache is not None:
            cached = min(self._cache.add(body), prompt_tokens)
            first_s *= 1 - cached / prompt_tokens
        total_s = first_s + rest_s
        start_s = self._queue.add(self.clock.worked_s(at_s), total_s) - total_s
        return Served(start_s, ServiceTime(first_s, total_s), cached)
