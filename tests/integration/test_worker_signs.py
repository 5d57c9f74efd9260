"""A worker tells the driver once a second that it is neither stopped nor stuck, also when it has no work."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from driving import small_store

from weighbridge.client.frames import HEADER, ISSUE, Message, WorkerJob
from weighbridge.core.openai_api import Api


@contextmanager
def worker(folder: Path, parent: int) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """Start a worker that gets no work; gives its process and the driver's end of its socket."""
    ours, theirs = socket.socketpair()
    job = WorkerJob(
        number=0,
        store=str(small_store(folder / "store", 1)),
        endpoints=["http://127.0.0.1:9"],
        api=Api.CHAT,
        model="tiny",
        nonce="0" * 16,
        api_key_env=None,
        connections=1,
        connect_timeout_s=1,
        request_timeout_s=1,
        stream=False,
        control_fd=theirs.fileno(),
        parent=parent,
    )
    command = [sys.executable, "-m", "weighbridge.client.worker", msgspec.json.encode(job).decode()]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE) as process:
        theirs.close()
        ours.settimeout(10)
        try:
            yield process, ours
        finally:
            process.kill()


def next_message(link: socket.socket) -> int:
    """Read the next frame; return what it holds."""
    message, records, payloads = HEADER.unpack(link.recv(HEADER.size, socket.MSG_WAITALL))
    if records + payloads:
        assert len(link.recv(records + payloads, socket.MSG_WAITALL)) == records + payloads
    return int(message)


def test_an_idle_worker_tells_once_a_second_that_it_lives_unless_it_is_stopped(tmp_path: Path) -> None:
    with worker(tmp_path, os.getpid()) as (process, link):
        assert next_message(link) == Message.READY
        assert next_message(link) == Message.ALIVE
        for _ in range(2):
            before = time.monotonic()
            assert next_message(link) == Message.ALIVE
            assert time.monotonic() - before < 3
        assert time.monotonic() - before > 0.5
        process.send_signal(signal.SIGSTOP)
        link.settimeout(2.5)
        frames = 0
        try:
            while True:
                next_message(link)
                frames += 1
        except TimeoutError:
            assert frames <= 1  # what was on its way
        process.send_signal(signal.SIGCONT)
        assert next_message(link) == Message.ALIVE


def test_a_worker_whose_parent_is_gone_does_not_start(tmp_path: Path) -> None:
    with worker(tmp_path, os.getpid() + 1) as (process, link):
        assert link.recv(1) == b""
        assert process.wait(10) == 1
        assert process.stderr is not None
        assert b"is gone" in process.stderr.read()


def test_a_worker_whose_driver_dies_while_it_writes_ends_without_a_word(tmp_path: Path) -> None:
    with worker(tmp_path, os.getpid()) as (process, link):
        assert next_message(link) == Message.READY
        link.sendall(bytes(ISSUE.size + 1))
        link.close()
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
