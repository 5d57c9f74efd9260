"""Behaviour of the simulated server, and its latencies computed without a network.

A hash of the request's body and a seed determine the service time, whether the answer is right, and whether
and how the request fails. The same body therefore always has the same outcome.
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from weighbridge.core.models import Model

Distribution = Literal["constant", "exponential", "lognormal"]
Failure = Literal[
    "status_429",
    "status_500",
    "status_503",
    "hang",
    "cut",
    "reset",
    "malformed",
    "empty",
    "null_content",
    "missing_usage",
]
Lengths = Literal["honoured", "ignored", "rejected"]

_WORD = 8
_MASK = (1 << 64) - 1
# Odd random weights of a multilinear hash: one multiply-add per word, ten times as fast as a CRC from Python.
_WEIGHTS = np.random.default_rng(20190613).integers(0, 1 << 63, size=1 << 18, dtype=np.uint64) * 2 + 1


class Behaviour(Model):
    """Speed, correctness and failures of the simulated server."""

    servers: int = Field(default=0, ge=0, description="Number of requests served at once; 0: all.")
    distribution: Distribution = "constant"
    mean_s: float = Field(default=0.0, ge=0, description="Mean service time, in s.")
    sigma: float = Field(
        default=1.0, gt=0, description="Standard deviation of the log-normal distribution's logarithm."
    )
    first_token_share: float = Field(
        default=0.25, ge=0, le=1, description="Streaming: share of the service time before the first token."
    )
    ttft_s: float | None = Field(
        default=None,
        ge=0,
        description="Mean time from the start of service to the first token, in s, instead of mean_s.",
    )
    tpot_s: float | None = Field(
        default=None,
        ge=0,
        description="Mean time per token after the first, in s, instead of mean_s; one event a token.",
    )
    right: float = Field(default=1.0, ge=0, le=1, description="Share of right answers, 0 to 1.")
    failures: dict[Failure, float] = Field(
        default={}, description="Share of requests that fail, by kind of failure."
    )
    failing_attempts: int = Field(
        default=0,
        ge=0,
        description="With --questions: how many attempts at a request that fails do so; 0: all of them.",
    )
    start_s: float = Field(
        default=0.0, ge=0, description="Time until it listens, as a server takes that loads a model, in s."
    )
    seed: int = Field(default=0, description="Another seed gives other service times and failures.")
    speed: float = Field(default=1.0, gt=0, description="Service times are divided by it.")
    run_noise_cv: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Spread of a factor on all service times of a run; caches that are emptied begin a run.",
    )
    noise_seed: int = Field(
        default=0, description="Another seed gives other factors to the runs, and the same service times."
    )
    drift_per_s: float = Field(
        default=0.0, ge=0, description="Growth of the service times per second since the server's start."
    )
    stall_every_s: float = Field(default=0.0, ge=0, description="Period of the pauses, in s; 0: none.")
    stall_s: float = Field(default=0.0, ge=0, description="Length of the pause that ends each period, in s.")
    lengths: Lengths = Field(
        default="honoured",
        description="Whether answers have as many tokens as asked for; rejected: status 400 to ignore_eos "
        "and min_tokens.",
    )
    prefix_cache: bool = Field(
        default=False,
        description="Whether prompts that begin as earlier ones do get their first token sooner.",
    )
    resets: bool = Field(default=True, description="Whether requests to empty the caches are answered.")

    @model_validator(mode="after")
    def _shares_fit(self) -> "Behaviour":
        if min(self.failures.values(), default=0) < 0 or sum(self.failures.values()) > 1:
            raise ValueError("the shares of failures are not between 0 and 1 in total")
        if self.times_tokens and self.mean_s:
            raise ValueError("either mean_s or ttft_s and tpot_s, of which the service time is made")
        if self.stall_s and self.stall_s >= self.stall_every_s:
            raise ValueError("stall_s is not shorter than stall_every_s")
        return self

    @property
    def times_tokens(self) -> bool:
        """Whether the times of single tokens are stated, so that an answer's length decides its time."""
        return self.ttft_s is not None or self.tpot_s is not None

    @property
    def steady(self) -> bool:
        """Whether service times are as stated, in all runs and all the time."""
        changes = self.run_noise_cv or self.drift_per_s or self.stall_s
        return self.speed == 1 and not changes

    @property
    def slowest_s(self) -> float:
        """The largest of the mean times; 0: everything is answered at once."""
        return max(self.mean_s, self.ttft_s or 0.0, self.tpot_s or 0.0)


class ServiceTime(NamedTuple):
    """When a request's answer is sent, in seconds since its service started.

    Attributes:
        first_s: The first token of a streamed answer.
        total_s: The last token, or the whole answer.
    """

    first_s: float
    total_s: float

    def event_s(self, contents: int, events: int, *, each_token: bool) -> list[float]:
        """Return when each event of a streamed answer is sent, the last at its end or before.

        Args:
            contents: Number of the events with content, which are the first ones.
            events: Number of all events.
            each_token: Whether an event is a token. If not, those after the contents take their share of the
                time as well.
        """
        steps = max(1, (contents if each_token else events) - 1)
        rest_s = self.total_s - self.first_s
        return [self.first_s + rest_s * min(1.0, at / steps) for at in range(events)]


class OutcomeDraws:
    """Derives the outcome of a request from the hash of its body."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._normal = NormalDist()
        self._thresholds = []
        total = 0.0
        for failure, share in behaviour.failures.items():
            total += share
            self._thresholds.append((total, failure))

    def service(self, key: int, tokens: int) -> ServiceTime:
        """Return the times of the answer with so many tokens to the body with this hash."""
        behaviour = self._behaviour
        if not behaviour.times_tokens:
            total_s = self._drawn_s(behaviour.mean_s, key, 1)
            return ServiceTime(behaviour.first_token_share * total_s, total_s)
        first_s = self._drawn_s(behaviour.ttft_s or 0.0, key, 4)
        each_s = self._drawn_s(behaviour.tpot_s or 0.0, key, 5)
        return ServiceTime(first_s, first_s + max(0, tokens - 1) * each_s)

    def _drawn_s(self, mean_s: float, key: int, purpose: int) -> float:
        """Return a time of the behaviour's distribution with this mean."""
        behaviour = self._behaviour
        if behaviour.distribution == "constant" or mean_s == 0:
            return mean_s
        u = self._uniform(key, purpose)
        if behaviour.distribution == "exponential":
            return -mean_s * math.log1p(-u)
        sigma = behaviour.sigma
        return mean_s * math.exp(sigma * self._normal.inv_cdf(u) - sigma * sigma / 2)

    def failure(self, key: int) -> Failure | None:
        """Return how the request fails; None if it succeeds."""
        if not self._thresholds:
            return None
        u = self._uniform(key, 2)
        return next((failure for threshold, failure in self._thresholds if u < threshold), None)

    def right(self, key: int) -> bool:
        """Return whether the answer is right."""
        return self._uniform(key, 3) < self._behaviour.right

    def _uniform(self, key: int, purpose: int) -> float:
        return uniform(key, self._behaviour.seed, purpose)


def uniform(key: int, seed: int, purpose: int) -> float:
    """Return a number in the open interval (0, 1): splitmix64 over hash, seed and purpose."""
    z = (key ^ (seed * 4 + purpose) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (((z ^ (z >> 31)) >> 12) + 0.5) / (1 << 52)


def body_hash(body: bytes | bytearray | memoryview) -> int:
    """Return a 64-bit hash of a body, at about 10 GB/s."""
    words = len(body) // _WORD
    total = len(body)
    view = memoryview(body)
    for start in range(0, words, len(_WEIGHTS)):
        count = min(len(_WEIGHTS), words - start)
        part = np.frombuffer(view, dtype="<u8", count=count, offset=start * _WORD)
        total = (total * 31 + int(part @ _WEIGHTS[:count])) & _MASK
    rest = bytes(view[words * _WORD :])
    return (total * 31 + int.from_bytes(rest, "little")) & _MASK


def service_times(
    bodies: Iterable[bytes | memoryview], behaviour: Behaviour, tokens: Iterable[int]
) -> NDArray[np.float64]:
    """Return when each body's answer is sent, in seconds since its service started.

    Args:
        bodies: The bodies of the requests.
        behaviour: The server's behaviour.
        tokens: Tokens of each answer; they matter where the behaviour states the times of tokens.

    Returns:
        The times of the first token and of the last, shape (n, 2).
    """
    outcome = OutcomeDraws(behaviour)
    found = [outcome.service(body_hash(body), count) for body, count in zip(bodies, tokens, strict=True)]
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def predict(
    arrivals_s: Sequence[float] | NDArray[np.float64],
    service_s: Sequence[float] | NDArray[np.float64],
    servers: int,
) -> NDArray[np.float64]:
    """Compute the latency of every request: its waiting time plus its service time.

    Args:
        arrivals_s: Arrival time of each request in seconds, not decreasing, shape (n,).
        service_s: Service time of each request in seconds, shape (n,).
        servers: Number of requests served at once, first come first served; 0: all.

    Returns:
        Latencies in seconds, shape (n,).
    """
    queue = Queue(servers)
    return np.array(
        [queue.add(at, service) - at for at, service in zip(arrivals_s, service_s, strict=True)],
        dtype=np.float64,
    )


class Queue:
    """A queue in front of c servers, first come first served."""

    def __init__(self, servers: int) -> None:
        self._free_at = [-math.inf] * servers  # a heap

    def add(self, now_s: float, service_s: float) -> float:
        """Add a request that arrives at `now_s`; return the time at which its service ends, in seconds."""
        if not self._free_at:
            return now_s + service_s
        end_s = max(now_s, self._free_at[0]) + service_s
        heapq.heapreplace(self._free_at, end_s)
        return end_s
