"""Which endpoint of a worker gets the next request: the one with the fewest in flight that can be reached."""

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, TypeVar

from weighbridge.client.endpoint import Endpoint

_STATES_KEPT = 8  # for each endpoint; with more, those that are no longer so are thrown away

C = TypeVar("C")  # of a connection; this module does not use what it can do


class EndpointChoice(Generic[C]):
    """The endpoints of a worker, ordered by their requests in flight, then by those given to them so far.

    A heap holds (in flight, given, number) for each state that an endpoint came into; a state that has passed
    is skipped when it comes up. A choice among n endpoints therefore takes log(n) steps, and all that changes
    what it depends on goes through this class.
    """

    def __init__(self, endpoints: Sequence[Endpoint[C]]) -> None:
        """Order endpoints, which are numbered 0, 1, 2 and so on."""
        self._all = tuple(endpoints)
        self._only = self._all[0] if len(self._all) == 1 else None
        self._heap: list[tuple[int, int, int]] = []
        self._order_anew()

    def __iter__(self) -> Iterator[Endpoint[C]]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def _order_anew(self) -> None:
        self._heap = [
            (each.in_flight, each.given, each.number) for each in self._all if not each.down_since_ns
        ]
        heapify(self._heap)

    def take(self) -> Endpoint[C] | None:
        """Choose the endpoint of the next request, and count it there; None: no endpoint can be reached."""
        chosen = self._only
        if chosen is not None:
            if chosen.down_since_ns:
                return None
            chosen.in_flight += 1
            chosen.given += 1
            return chosen
        heap = self._heap
        while heap:
            in_flight, given, number = heap[0]
            chosen = self._all[number]
            if chosen.in_flight == in_flight and chosen.given == given and not chosen.down_since_ns:
                chosen.in_flight, chosen.given = in_flight + 1, given + 1
                heapreplace(heap, (in_flight + 1, given + 1, number))
                return chosen
            heappop(heap)
        return None

    def give_back(self, endpoint: Endpoint[C]) -> None:
        """Note that a request of an endpoint has ended."""
        endpoint.in_flight -= 1
        if self._only is None:
            self._note(endpoint)

    def refused(self, endpoint: Endpoint[C], now_ns: int) -> int:
        """Note that an endpoint refused a connection; return for how long it has done so, in ns."""
        endpoint.down_since_ns = endpoint.down_since_ns or now_ns
        endpoint.probed_ns = now_ns
        return now_ns - endpoint.down_since_ns

    def reached(self, endpoint: Endpoint[C]) -> None:
        """Note that an endpoint accepted a connection."""
        if endpoint.down_since_ns:
            endpoint.down_since_ns = 0
            self._note(endpoint)

    def _note(self, endpoint: Endpoint[C]) -> None:
        heappush(self._heap, (endpoint.in_flight, endpoint.given, endpoint.number))
        if len(self._heap) > _STATES_KEPT * len(self._all):
            self._order_anew()
