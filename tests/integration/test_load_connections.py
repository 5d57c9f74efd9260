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


@pytest.mark.parametrize(("scenario", "connections", "early"), [("offline", 70, 66), ("server", 70, 5)])
def test_connections_that_are_certain_to_be_needed_are_open_before_the_first_request(
    scenario: str, connections: int, early: int, tmp_path: Path
) -> None:
    found: list[int] = []

    def script(_: int) -> list[bytes]:
        found.append(endpoint.connections)
        return [http(completion("x"))]

    # 66 samples at once, more than are opened at a time; or 50 requests/s, of which 5 come in 0.1 s.
    with Endpoint(script) as endpoint:
        run = run_against([endpoint], tmp_path, 66, scenario=scenario, target_qps=50, connections=connections)
    assert run.report.failed == {}
    # A busy server accepts the last of them later than it reads the first request.
    assert early // 2 < found[0] <= early


def test_an_endpoint_that_refuses_early_connections_is_met_by_a_request(tmp_path: Path) -> None:
    with socket.socket() as closed, Endpoint(lambda _: [http(completion("x"))]) as endpoint:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        refusing = f"http://127.0.0.1:{closed.getsockname()[1]}"
        run = run_against([endpoint, refusing], tmp_path, 40, scenario="server", target_qps=100)
    assert run.report.failed == {"connect": 1}
    assert run.errors[0]["endpoint"] == refusing
