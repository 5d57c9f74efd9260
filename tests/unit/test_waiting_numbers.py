"""What the driver sends a worker is taken number by number, however it was cut; the order to open is none."""

import socket
from collections.abc import Iterator

import pytest

from weighbridge.client.early_connections import EarlyConnections
from weighbridge.client.endpoint import Endpoint
from weighbridge.client.endpoint_choice import EndpointChoice
from weighbridge.client.frames import ISSUE, OPEN_EARLY
from weighbridge.client.waiting_numbers import WaitingNumbers


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_numbers_are_taken_in_their_order(sockets: tuple[socket.socket, socket.socket]) -> None:
    driver, worker = sockets
    numbers = WaitingNumbers(worker)
    rows = [(number, number + 1, -number) for number in range(7)]
    for start, stop in ((0, 1), (1, 5), (5, 7)):
        driver.sendall(b"".join(ISSUE.pack(*row) for row in rows[start:stop]))
        assert numbers.receive()
        assert not numbers.ordered_early()
    assert [numbers.take() for _ in rows] == rows
    assert not numbers.chunks
    driver.close()
    assert not numbers.receive()


def test_the_order_to_open_connections_is_no_number(sockets: tuple[socket.socket, socket.socket]) -> None:
    driver, worker = sockets
    numbers = WaitingNumbers(worker)
    driver.sendall(OPEN_EARLY + ISSUE.pack(1, 2, 3))
    assert numbers.receive()
    assert numbers.ordered_early()
    assert not numbers.ordered_early()
    assert numbers.take() == (1, 2, 3)


def test_connections_are_opened_in_turns_and_some_at_a_time() -> None:
    endpoints: EndpointChoice[int] = EndpointChoice(
        [Endpoint(number, f"http://127.0.0.1:{number + 1}", "/v1", None, "n") for number in range(3)]
    )
    connecting: list[int] = []
    early = EarlyConnections(
        100, endpoints, connecting, lambda endpoint, _request: connecting.append(endpoint.number)
    )
    assert not early.go_on()
    assert connecting == [number % 3 for number in range(32)]
    del connecting[:10]
    assert not early.go_on()
    assert len(connecting) == 32
    early.give_up()
    assert not early.go_on()
    connecting.clear()
    assert early.go_on()
    assert not connecting
