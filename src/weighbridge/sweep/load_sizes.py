"""How much of each load is measured: rates of all systems, loads that follow from them, saturated ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import StopRules

MOST_AT_ONCE = 1024
_AUTO_SHARES = (0.2, 0.4, 0.6, 0.8)
_DIGITS = 3


@dataclass
class ClosedRates:
    """Requests/s of one system at rising numbers of conversations.

    Attributes:
        stop: When a load counts as saturated.
        rates: By number of conversations.
    """

    stop: StopRules
    rates: dict[int, float] = field(default_factory=dict)

    @property
    def saturated_at(self) -> int | None:
        """Smallest load after which no higher one gains; None: not seen.

        Only steps that double the load count, since a smaller one may gain little without saturation.
        """
        steps = sorted(self.rates)
        idle, begin = 0, None
        for lower, higher in pairwise(steps):
            gains = self.rates[higher] > self.rates[lower] * (1 + self.stop.saturate_gain)
            if gains or higher < 2 * lower:
                idle, begin = 0, None
                continue
            idle, begin = idle + 1, begin or lower
            if idle >= self.stop.saturate_levels:
                return begin
        return None

    @property
    def capacity(self) -> float:
        """Highest rate."""
        return max(self.rates.values())

    def at(self, closed: int) -> float:
        """Return the rate at a load; beyond the saturated ones, the capacity."""
        return self.rates.get(closed, self.capacity)

    def measure(self, loads: Iterable[int], rate: Callable[[int], float]) -> None:
        """Find the rates of rising loads, until higher ones do not gain any more.

        Args:
            loads: Numbers of conversations, rising.
            rate: Measures the requests/s of one.
        """
        for closed in loads:
            if self.saturated_at is not None:
                return
            if closed not in self.rates:
                self.rates[closed] = rate(closed)


def doubling() -> Iterable[int]:
    """Return 1, 2, 4 and so on."""
    closed = 1
    while closed <= MOST_AT_ONCE:
        yield closed
        closed *= 2


def auto_levels(rates: Mapping[str, ClosedRates], turns: float) -> tuple[LoadLevel, ...]:
    """Return the loads that 'auto' stands for.

    They are the closed loops that were tried, and Poisson arrivals at shares of the capacity of the slowest
    system, so that all get the same.

    Args:
        rates: Of each system, of doubled loads.
        turns: Mean number of requests of a conversation.
    """
    closed = sorted({load for each in rates.values() for load in each.rates})
    slowest = min(each.capacity for each in rates.values()) / turns
    poisson = [float(f"{share * slowest:.{_DIGITS}g}") for share in _AUTO_SHARES]
    return (
        *(LoadLevel(closed=load) for load in closed),
        *(LoadLevel(poisson=rate) for rate in dict.fromkeys(poisson) if rate > 0),
    )


def saturated_loads(
    rates: Mapping[str, ClosedRates], levels: Sequence[LoadLevel], stop: StopRules
) -> dict[str, str]:
    """Return the loads that are left out because no system gains at them, with the reason, by name.

    Args:
        rates: Of each system.
        levels: The loads that are asked for.
        stop: When a load counts as saturated.
    """
    ends = [each.saturated_at for each in rates.values()]
    if not ends or any(end is None for end in ends):
        return {}
    tried = max(max(each.rates) for each in rates.values())
    reason = (
        f"all systems are saturated: {stop.saturate_levels} times twice the load gained less than "
        f"{stop.saturate_gain:.0%} up to closed-{tried}"
    )
    return {level.name: reason for level in levels if level.closed is not None and level.closed > tried}
