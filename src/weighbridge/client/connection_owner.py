"""What a connection works for: the worker that owns it, and the request that it carries."""

from typing import Any, Protocol, TypeVar

import msgspec

from weighbridge.client.answer_reader import AnswerReader
from weighbridge.client.answers import Answer
from weighbridge.client.endpoint import Endpoint
from weighbridge.requests.bodies import Bodies

C = TypeVar("C", contravariant=True)  # a connection; what it can do is of no matter here


class Request(msgspec.Struct, gc=False, eq=False):
    """A request in flight: the driver's id, the sample's index, the body's place, times (monotonic ns).

    The place is that of the stored bytes that are sent, between the owner's `before` and `after`; `spliced`
    goes before them.
    """

    id: int
    index: int
    planned_ns: int
    at: int
    size: int
    endpoint: Endpoint[Any]
    spliced: bytes = b""
    sent_ns: int = 0
    first_byte_ns: int = 0
    first_ns: int = 0
    last_ns: int = 0


class Owner(Protocol[C]):
    """What a connection needs of the worker that owns it."""

    stream: bool
    reader: AnswerReader
    bodies: Bodies
    before: bytes
    after: bytes

    def want_write(self, connection: C, wanted: bool) -> None:
        """Start or stop reporting that the socket can be written to."""

    def connected(self, connection: C) -> None:
        """Note that the endpoint can be reached."""

    def unreachable(self, connection: C, reason: str) -> None:
        """Note that it cannot."""

    def first_content(self, request: Request, content: str | bytes) -> None:
        """Note a stream's first content."""

    def finished(
        self, connection: C, answer: Answer, status: int, received: int, end_ns: int, reusable: bool
    ) -> None:
        """Record the outcome of the connection's request."""

    def closed(self, connection: C) -> None:
        """Forget a connection that closed while idle."""
