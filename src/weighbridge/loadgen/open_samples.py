"""The samples that LoadGen has issued and that are not completed, in packed arrays: 21 bytes each.

Each gets a number when it is issued: 0, 1, 2 and so on. Workers know it by that number, so that a look-up is
an index, and what a worker makes up is never taken for an address, as LoadGen's own ids are.
"""

from array import array
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

_OPEN, _COMPLETED = 1, 0


class UnknownSampleError(Exception):
    """A number is not that of an open sample; it is the only argument."""


class OpenSample(NamedTuple):
    """A sample that was taken out to be failed: LoadGen's id, our number, the sample's index, its issue."""

    response_id: int
    number: int
    sample: int
    planned_ns: int


class OpenSamples:
    """The open samples. One thread adds; any thread may take, and each sample is taken exactly once."""

    def __init__(self) -> None:
        self._ids, self._samples, self._planned_ns = array("Q"), array("I"), array("q")
        # Written last when samples are added: whoever finds one here finds all of it.
        self._states = bytearray()
        # Whether each has begun to answer; as long as needed, where nobody asks it stays empty.
        self._begun = bytearray()
        self._taking = Lock()
        self._taken = self._rest_from = 0

    def __len__(self) -> int:
        """Return how many samples are open."""
        return len(self._states) - self._taken

    def add_one(self, response_id: int, sample: int, planned_ns: int) -> int:
        """Add a sample; return its number."""
        number = len(self._states)
        self._ids.append(response_id)
        self._samples.append(sample)
        self._planned_ns.append(planned_ns)
        self._states.append(_OPEN)
        return number

    def add(self, response_ids: Sequence[int], samples: Sequence[int], planned_ns: int) -> int:
        """Add samples that were issued at once; return the number of the first, which the others follow."""
        first, count = len(self._states), len(response_ids)
        self._ids.extend(response_ids)
        self._samples.extend(samples)
        self._planned_ns.extend(array("q", [planned_ns]) * count)
        self._states += bytes([_OPEN]) * count
        return first

    def begin(self, number: int) -> int:
        """Note that an open sample has begun to answer; return LoadGen's id of it.

        Raises:
            UnknownSampleError: it is not open, or had begun.
        """
        if not (number < len(self._states) and self._states[number]) or self.has_begun(number):
            raise UnknownSampleError(number)
        if number >= len(self._begun):
            self._begun.extend(bytes(len(self._states) - len(self._begun)))
        self._begun[number] = 1
        return self._ids[number]

    def has_begun(self, number: int) -> bool:
        """Return whether a sample has begun to answer, be it open or not."""
        return number < len(self._begun) and self._begun[number] == 1

    def take(self, rows: Sequence[tuple[int, ...]]) -> list[int]:
        """Take samples that are to be completed; return LoadGen's ids of them.

        Args:
            rows: What begins with a sample's number, one each.

        Raises:
            UnknownSampleError: one of them is not open; then none is taken.
        """
        states, ids, taken = self._states, self._ids, 0
        response_ids = []
        with self._taking:
            end = len(states)
            for row in rows:
                number = row[0]
                if not (number < end and states[number]):
                    for other in rows[:taken]:
                        states[other[0]] = _OPEN
                    raise UnknownSampleError(number)
                states[number] = _COMPLETED
                taken += 1
                response_ids.append(ids[number])
            self._taken += taken
        return response_ids

    def take_rest(self, most: int) -> list[OpenSample]:
        """Take the oldest of what is open, at most so many; none: nothing is open any more."""
        rest: list[OpenSample] = []
        with self._taking:
            while len(rest) < most and (number := self._states.find(_OPEN, self._rest_from)) >= 0:
                self._states[number] = _COMPLETED
                self._rest_from = number + 1
                rest.append(
                    OpenSample(self._ids[number], number, self._samples[number], self._planned_ns[number])
                )
            self._taken += len(rest)
        return rest
