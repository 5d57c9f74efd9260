"""Connections to one endpoint get ports from both halves of the system's range, in a steady time each."""

import os
import socket
from pathlib import Path

import pytest

from weighbridge.client.endpoint import Endpoint

HALF_ONLY_TRIES = 40  # by chance alone, this many ports are all odd or all even once in 5e11 runs


RELEASE = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))


@pytest.mark.skipif(RELEASE < (6, 8), reason="Linux before 6.8 uses up one half of its ports first")
def test_ports_come_from_both_halves_of_the_range() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(HALF_ONLY_TRIES)
        endpoint: Endpoint[object] = Endpoint(
            0, f"http://127.0.0.1:{listener.getsockname()[1]}", "/v1", None, "n"
        )
        sockets = [endpoint.new_socket() for _ in range(HALF_ONLY_TRIES)]
        try:
            for each in sockets:
                assert not each.getblocking()
                each.connect_ex(endpoint.address)
            ports = {each.getsockname()[1] for each in sockets}
            assert len(ports) == HALF_ONLY_TRIES
            assert all(low <= port <= high for port in ports)
            assert len({port % 2 for port in ports}) == 2
        finally:
            for each in sockets:
                each.close()
