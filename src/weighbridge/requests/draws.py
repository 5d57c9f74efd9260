"""Random draws of a workload: one stream a quantity, so that changing one leaves all others as they are.

A quantity's stream is PCG64, seeded with the workload's seed, the quantity's name and where it is drawn. Each
value takes one uniform number, which the distribution's inverse turns into a value.
"""

from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from weighbridge.config.distributions import Distribution
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_text

Values = NDArray[np.float64]


def generator(seed: int, component: str, *place: int) -> np.random.Generator:
    """Return the random stream of one component at one place, such as a slice's number."""
    entropy = [seed, crc32(component.encode()), *place]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


class Sampler:
    """A distribution, ready to be drawn from.

    Attributes:
        distribution: The distribution.
        whole: Whether whole numbers are drawn.
        lowest: Drawn values below it are moved to it.
        most: No larger value can be used.
    """

    def __init__(
        self,
        distribution: Distribution,
        name: str,
        *,
        whole: bool,
        lowest: float = -np.inf,
        most: float = np.inf,
    ) -> None:
        """Read the distribution's values, where a file holds them; `name` is what errors call it.

        Raises:
            InputError: the file cannot be read, or holds something else; or no value lies in bounds.
        """
        self.distribution, self.whole, self.lowest, self.most = distribution, whole, lowest, most
        self._observed = None if distribution.empirical is None else _observed(distribution.empirical)
        self._name = name
        if distribution.const is not None and distribution.const < lowest:
            raise InputError(f"'{name}' is {distribution.const:g}, and {lowest:g} is the least; correct it.")
        self._check(*self._bounds())
        if whole and distribution.uniform is not None:
            self._check(np.ceil(distribution.uniform[0]), np.floor(distribution.uniform[1]))

    def draw(self, stream: np.random.Generator, count: int) -> Values:
        """Return `count` values, shape (count,); more values begin with the same ones.

        Raises:
            InputError: one is too large to be used.
        """
        values = self._values(stream.random(count))
        if values.size and values.max() > self.most:
            raise InputError(
                f"'{self._name}' gave {values.max():g}, and {self.most:g} is the most; set 'max'."
            )
        return values

    @property
    def largest(self) -> float:
        """Largest value that can be drawn; infinite: there is none."""
        return float(self._values(np.ones(1))[0])

    def _values(self, uniform: Values) -> Values:
        with np.errstate(over="ignore"):  # to infinity, which the bounds or `most` end
            values = self._inverse(uniform)
        return np.clip(np.rint(values) if self.whole else values, *self._bounds())

    def _check(self, low: float, high: float) -> None:
        if low > high:
            kind = "whole number" if self.whole else "value"
            raise InputError(f"'{self._name}' has no {kind} from {low:g} to {high:g}; widen its bounds.")

    def _bounds(self) -> tuple[float, float]:
        given = self.distribution
        low = max(self.lowest, -np.inf if given.min is None else given.min)
        high = np.inf if given.max is None else given.max
        return (np.ceil(low), np.floor(high)) if self.whole else (low, high)

    def _inverse(self, uniform: Values) -> Values:
        given = self.distribution
        match given.form:
            case "uniform":
                return self._uniform(uniform)
            case "normal":
                assert given.normal is not None
                # Without spread, an infinite quantile would give no number.
                spread = given.normal.sd * ndtri(uniform) if given.normal.sd else 0 * uniform
                return np.asarray(given.normal.mean + spread)
            case "lognormal":
                assert given.lognormal is not None
                spread = given.lognormal.sigma * ndtri(uniform) if given.lognormal.sigma else 0 * uniform
                return np.asarray(given.lognormal.median * np.exp(spread))
            case "exponential":
                assert given.exponential is not None
                with np.errstate(divide="ignore"):
                    return np.asarray(-given.exponential.mean * np.log1p(-uniform))
            case "choice":
                return self._choice(uniform)
            case "empirical":
                assert self._observed is not None
                return _one_of(self._observed, uniform)
            case _:
                assert given.const is not None
                return np.full(len(uniform), given.const)

    def _uniform(self, uniform: Values) -> Values:
        assert self.distribution.uniform is not None
        low, high = self.distribution.uniform
        if not self.whole:
            return low + uniform * (high - low)
        first, last = np.ceil(low), np.floor(high)
        return np.asarray(np.minimum(first + np.floor(uniform * (last - first + 1)), last))

    def _choice(self, uniform: Values) -> Values:
        choice = self.distribution.choice
        assert choice is not None
        if not isinstance(choice, dict):
            return _one_of(np.array(choice, dtype=float), uniform)
        values = sorted(choice)
        shares = np.cumsum([choice[value] for value in values]) / sum(choice.values())
        return np.array(values)[np.minimum(np.searchsorted(shares, uniform, "right"), len(values) - 1)]


def _one_of(values: Values, uniform: Values) -> Values:
    places = np.minimum((uniform * len(values)).astype(int), len(values) - 1)
    return np.asarray(np.sort(values)[places])


def _observed(path: Path) -> Values:
    values = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = float(line)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise InputError(f"{path}: line {number} is no number; write one number a line.")
        values.append(value)
    if not values:
        raise InputError(f"{path}: holds no number; write one number a line.")
    return np.array(values)


def without_replacement(
    seed: int, component: str, available: int, start: int, count: int
) -> NDArray[np.int64]:
    """Return places start..start+count of an endless series of permutations of 0..available-1.

    One permutation follows the other, each of its own order, so that nothing recurs before all have occurred.
    """
    if not count:
        return np.empty(0, dtype=np.int64)
    first, last = start // available, (start + count - 1) // available
    joined = np.concatenate(
        [_permutation(seed, component, available, epoch) for epoch in range(first, last + 1)]
    )
    return joined[start - first * available : start - first * available + count]


@lru_cache(maxsize=8)  # taken from thousands of times in a row
def _permutation(seed: int, component: str, available: int, epoch: int) -> NDArray[np.int64]:
    return generator(seed, component, epoch).permutation(available)


def repeat_share(available: int, needed: int) -> float:
    """Return the share of `needed` things, taken without replacement, that occurred before."""
    return max(0.0, 1 - available / needed) if needed else 0.0
