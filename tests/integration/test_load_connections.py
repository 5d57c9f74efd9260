"""A kept-alive connection whose end has arrived is not used again; a request is still never sent twice."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from driving import run_against
from endpoint import Endpoint, completion, http

_LENGTH = re.compile(rb"Content-Length: (\d+)\r\n\r\n")


class ClosingServer:
    """Closes each connection with its first answer and says nothing of it; the two arrive together.

    Attributes:
        url: Base URL.
        requests: Requests received.
    """

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0

    @contextmanager
    def serving(self) -> Iterator["ClosingServer"]:
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._answer_one(connection)

    def _answer_one(self, connection: socket.socket) -> None:
        data = b""
        while not ((found := _LENGTH.search(data)) and len(data) >= found.end() + int(found[1])):
            piece = connection.recv(1 << 16)
            if not piece:
                return
            data += piece
        self.requests += 1
        # In one segment: when the client reads the answer, the end of the connection is there too.
        connection.send(self._answer, socket.MSG_MORE)
        connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("connections", [1, 4])
def test_a_connection_that_is_closed_unannounced_is_not_used_again(connections: int, tmp_path: Path) -> None:
    with ClosingServer(http(completion("x"))).serving() as server:
        run = run_against([server.url], tmp_path, 45, connections=connections)
    assert run.report.failed == {}
    assert run.report.completed == server.requests == 45


@pytest.mark.parametrize(
    ("header", "connections"),
    [("Keep-Alive: timeout=0", 12), ("Keep-Alive: timeout=5, max=100", 2), ("X-Other: timeout=0", 2)],
)
def test_a_connection_is_not_used_after_the_time_that_its_server_announced(
    header: str, connections: int, tmp_path: Path
) -> None:
    with Endpoint(lambda _: [http(completion("x"), 200, header)]) as endpoint:
        run = run_against([endpoint], tmp_path, 12, connections=2)
    assert run.report.failed == {}
    assert endpoint.connections == connections
