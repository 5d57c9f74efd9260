"""What queueing theory says of a server's latencies: open and closed loops. Pure.

Times in s, rates in 1/s. Arrivals are Poisson, service times exponential with mean 1/mu, and c requests are
served at once, first come first served, unless said otherwise.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

_EXACT = 1e-9  # of a quantile, relative


def erlang_c(servers: int, load: float) -> float:
    """Return the probability that an arrival waits in M/M/c (Erlang's second formula).

    Args:
        servers: c.
        load: Arrival rate by service rate of one server, below c.
    """
    blocked = 1.0  # Erlang's first formula, by its recurrence
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return servers * blocked / (servers - load * (1 - blocked))


@dataclass(frozen=True)
class OpenLoop:
    """M/M/c with arrival rate `rate`, below c * mu."""

    rate: float
    mu: float
    servers: int

    @property
    def throughput(self) -> float:
        """Requests/s."""
        return self.rate

    @property
    def waits(self) -> float:
        """Probability that an arrival waits."""
        return erlang_c(self.servers, self.rate / self.mu)

    @property
    def mean_wait_s(self) -> float:
        """Mean time before service."""
        return self.waits / self._theta

    @property
    def mean_s(self) -> float:
        """Mean latency."""
        return self.mean_wait_s + 1 / self.mu

    def wait_quantile_s(self, share: float) -> float:
        """Return the time before service that this share of requests does not exceed."""
        return max(0.0, math.log(self.waits / (1 - share)) / self._theta)

    def exceeds(self, latency_s: float) -> float:
        """Return the probability of a longer latency."""
        mu, t = self.mu, latency_s
        d = self.servers - 1 - self.rate / mu
        if abs(d) < 1e-12:
            return math.exp(-mu * t) * (1 + self.waits * mu * t)
        ratio = self.waits / d
        return math.exp(-mu * t) * (1 + ratio) - ratio * math.exp(-mu * (d + 1) * t)

    def quantile_s(self, share: float) -> float:
        """Return the latency that this share of requests does not exceed."""
        return _quantile(self.exceeds, share, self.mean_s)

    @property
    def _theta(self) -> float:
        return self.servers * self.mu - self.rate


@dataclass(frozen=True)
class ClosedLoop:
    """N clients that send their next request when the last one is answered, without a pause."""

    clients: int
    mu: float
    servers: int

    @property
    def throughput(self) -> float:
        """Requests/s."""
        return min(self.clients, self.servers) * self.mu

    @property
    def mean_s(self) -> float:
        """Mean latency, by Little's law."""
        return self.clients / self.throughput

    def exceeds(self, latency_s: float) -> float:
        """Return the probability of a longer latency: of N - c ends of service, and a service."""
        waiting, fast = max(0, self.clients - self.servers), self.servers * self.mu
        mu, t = self.mu, latency_s
        if not waiting:
            return math.exp(-mu * t)
        if self.servers == 1:
            return _fewer_events(waiting + 1, mu * t)
        still_waiting = _fewer_events(waiting, fast * t)
        in_service = 1 - _fewer_events(waiting, (fast - mu) * t)
        return still_waiting + math.exp(-mu * t) * (fast / (fast - mu)) ** waiting * in_service

    def quantile_s(self, share: float) -> float:
        """Return the latency that this share of requests does not exceed."""
        return _quantile(self.exceeds, share, self.mean_s)


@dataclass(frozen=True)
class ThinkingLoop:
    """N clients that pause for an exponential time between answer and next request."""

    clients: int
    mu: float
    servers: int
    think_s: float

    @property
    def present(self) -> float:
        """Mean number of requests at the server."""
        return sum(number * share for number, share in enumerate(self._shares()))

    @property
    def throughput(self) -> float:
        """Requests/s."""
        return self.mu * sum(min(number, self.servers) * share for number, share in enumerate(self._shares()))

    @property
    def mean_s(self) -> float:
        """Mean latency."""
        return self.present / self.throughput

    def _shares(self) -> list[float]:
        """Return the share of time with each number of requests at the server, 0 to N."""
        weights = [1.0]
        for number in range(1, self.clients + 1):
            arrives = (self.clients - number + 1) / self.think_s
            weights.append(weights[-1] * arrives / (min(number, self.servers) * self.mu))
        total = sum(weights)
        return [weight / total for weight in weights]


def shared_mean_s(rate: float, service_s: float) -> float:
    """Return the mean latency of M/G/1 with processor sharing, as if one server worked on all at once."""
    return service_s / (1 - rate * service_s)


def _fewer_events(count: int, mean: float) -> float:
    """Return the probability of fewer than so many Poisson events, of which `mean` are expected."""
    term = total = math.exp(-mean)
    for number in range(1, count):
        term *= mean / number
        total += term
    return total


def _quantile(exceeds: Callable[[float], float], share: float, start_s: float) -> float:
    """Return where a decreasing probability reaches 1 - share, by bisection."""
    low, high = 0.0, start_s
    while exceeds(high) > 1 - share:
        low, high = high, 2 * high
    while high - low > _EXACT * high:
        middle = (low + high) / 2
        low, high = (middle, high) if exceeds(middle) > 1 - share else (low, middle)
    return high
