"""Connections that a worker opens before the clock, so that the first requests do not wait for theirs.

Only as many are opened as the run is certain to use at once. A server with a thread for each connection then
gets none that it would not get anyway, and gets them one after the other: a thousand at once may be more than
its backlog holds, and the system repeats what was lost there after a second.
"""

from collections.abc import Callable, Sized
from itertools import cycle
from typing import Generic, TypeVar

from weighbridge.client.endpoint import Endpoint
from weighbridge.client.endpoint_choice import EndpointChoice

# Of each worker: three of them do not fill the smallest backlog in use, asyncio's 100.
_MOST_AT_ONCE = 32

C = TypeVar("C")  # of a connection; this module does not use what it can do


class EarlyConnections(Generic[C]):
    """Opens connections, some at a time, until all are open or an endpoint takes none."""

    def __init__(
        self,
        count: int,
        endpoints: EndpointChoice[C],
        connecting: Sized,
        connect: Callable[[Endpoint[C], None], None],
    ) -> None:
        """Prepare to open connections.

        Args:
            count: How many, over all endpoints.
            endpoints: They get one each in turn.
            connecting: The connections that are not yet open.
            connect: Begins to open one.
        """
        self._left, self._turns = count, cycle(endpoints)
        self._connecting, self._connect = connecting, connect

    def go_on(self) -> bool:
        """Open some more; return whether that is over."""
        while self._left and len(self._connecting) < _MOST_AT_ONCE:
            self._left -= 1
            self._connect(next(self._turns), None)
        return not self._left and not self._connecting

    def give_up(self) -> None:
        """Open no more. Whatever the trouble is, the first requests will meet it, and tell of it."""
        self._left = 0
