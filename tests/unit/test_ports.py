"""Free ports: none that the system may hand out before the server takes it."""

import socket
import subprocess
import sys
from pathlib import Path

from weighbridge.serving import ports


def test_free_ports_differ_can_be_taken_and_are_not_the_systems_to_hand_out() -> None:
    found = ports.free_ports(50)
    assert len(set(found)) == 50
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(found) < max(first, 32768)
    for port in found:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))


def test_a_port_in_use_is_never_among_them() -> None:
    taken = ports.free_ports(1)[0]
    with socket.create_server(("127.0.0.1", taken)):
        assert taken not in ports.free_ports(len(ports._CANDIDATES) // 2)


def test_another_node_is_asked_by_the_file_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-P", ports.__file__], capture_output=True, text=True, check=True)
    assert int(done.stdout) in ports._CANDIDATES
