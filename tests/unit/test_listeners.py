"""Who listens at an address: this process, another one, nobody; by IPv4, IPv6 and at all addresses."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from weighbridge.serving import listeners
from weighbridge.serving.listeners import listening_sockets, stranger_at

OTHER = """
import socket, sys
held = socket.socket()
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
held.bind((sys.argv[1], int(sys.argv[2])))
held.listen()
print(held.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def listening(address: str, port: int = 0, family: int = socket.AF_INET) -> Iterator[int]:
    with socket.socket(family) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((address, port))
        held.listen()
        yield held.getsockname()[1]


@contextmanager
def another(address: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """Listen in another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, address, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    try:
        yield process
    finally:
        process.communicate()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_our_own_socket_is_ours(address: str) -> None:
    with listening(address) as port:
        assert stranger_at("127.0.0.1", port, [os.getpid()]) is None


def test_a_socket_of_another_process_is_a_strangers_alone_or_beside_ours() -> None:
    with listening("127.0.0.1") as port, another("127.0.0.1", port) as process:
        found = stranger_at("127.0.0.1", port, [os.getpid()])
        assert found is not None
        assert found.endswith(f"(process {process.pid})")
        assert stranger_at("127.0.0.1", port, [os.getpid(), process.pid]) is None
        assert stranger_at("localhost", port, [os.getpid()]) == found
        assert stranger_at("localhost", port, [os.getpid(), process.pid]) is None
        assert stranger_at("127.0.0.1", port, [process.pid]) == (
            f"{listeners.name_of(os.getpid())} (process {os.getpid()})"
        )


def test_one_at_all_addresses_may_answer_for_each_and_one_elsewhere_does_not() -> None:
    with listening("127.0.0.1") as port:
        with another("0.0.0.0", port):
            assert stranger_at("127.0.0.1", port, [os.getpid()]) is not None
        with another("127.0.0.2", port):
            assert stranger_at("127.0.0.1", port, [os.getpid()]) is None


def test_one_of_ipv6_at_all_addresses_answers_ipv4_too() -> None:
    with listening("::", family=socket.AF_INET6) as port:
        assert len(listening_sockets("127.0.0.1", port)) == 1
        assert stranger_at("127.0.0.1", port, [os.getpid()]) is None
        assert stranger_at("127.0.0.1", port, []) is not None
    with listening("::1", family=socket.AF_INET6) as port:
        assert listening_sockets("127.0.0.1", port) == set()
        assert len(listening_sockets("::1", port)) == 1


def test_where_nothing_listens_nothing_is_proven() -> None:
    with listening("127.0.0.1") as port:
        pass
    with pytest.raises(LookupError, match=f"nothing is seen to listen at 127.0.0.1:{port}"):
        stranger_at("127.0.0.1", port, [os.getpid()])


def test_what_may_not_be_seen_is_not_taken_for_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening("127.0.0.1") as port:
        monkeypatch.setattr(listeners, "sockets_of", lambda _: None)
        with pytest.raises(LookupError, match="may not be seen"):
            stranger_at("127.0.0.1", port, [os.getpid()])


def as_program(port: int, job: str) -> str:
    command = [sys.executable, "-P", listeners.__file__, "127.0.0.1", str(port), job]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def test_the_program_knows_the_processes_of_a_slurm_job_by_what_runs_its_steps() -> None:
    # What stands in for slurmstepd has its title; the listener is its child, without Slurm's variables.
    title = [
        "bash",
        "-c",
        f'exec -a "slurmstepd: [77.0]" bash -c "\\"{sys.executable}\\" -c \'{OTHER}\' 127.0.0.1 0; true"',
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    with subprocess.Popen(
        title, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as step:
        assert step.stdout is not None
        port = int(step.stdout.readline())
        assert as_program(port, "77") == "ours\n"
        assert "(process " in as_program(port, "7")
        step.communicate()
    assert as_program(port, "77") == "unseen\n"


def test_the_program_knows_them_by_their_environment_too() -> None:
    command = [sys.executable, "-c", OTHER, "127.0.0.1", "0"]
    environment = os.environ | {"SLURM_JOB_ID": "78"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as job:
        assert job.stdout is not None
        port = int(job.stdout.readline())
        assert as_program(port, "78") == "ours\n"
        assert f"(process {job.pid})" in as_program(port, "79")
        job.communicate()
