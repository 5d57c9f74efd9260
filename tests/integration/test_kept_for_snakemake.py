"""Kept servers end with the Snakemake whose jobs may use them, and with a job that dies on them."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from test_kept_servers import await_gone
from test_serving import lives, settings

from weighbridge.records.server_life import LIFE_RECORD, ServerLife
from weighbridge.serving.kept_socket import doors

JOB = Path(__file__).parent / "kept_job.py"
PATIENCE_S = 60
# Starts a job for each line that it is given, and waits for none.
SNAKEMAKE = """
import json, subprocess, sys
jobs = [subprocess.Popen(json.loads(line)) for line in sys.stdin]
"""


@dataclass
class Job:
    """A job that has its servers.

    Attributes:
        process: Its process.
        orders: How it is told to end.
        said: What it has.
        family: The guard, what watches it, and all that the servers started.
    """

    process: psutil.Process
    orders: socket.socket
    said: dict[str, object]
    family: list[psutil.Process]

    def leave(self) -> None:
        """Let it release its servers and end."""
        self.orders.sendall(b"leave")
        deadline = time.monotonic() + PATIENCE_S
        while lives(self.process):
            assert time.monotonic() < deadline
            time.sleep(0.02)


class Workflow:
    """A stand-in for Snakemake, in a folder."""

    def __init__(self, folder: Path, ending: ExitStack) -> None:
        folder.mkdir()
        (folder / "snakemake").write_text(SNAKEMAKE)
        self.folder = folder
        self._door = ending.enter_context(socket.socket(socket.AF_UNIX))
        self._door.bind(str(folder / "orders"))
        self._door.listen()
        self._door.settimeout(PATIENCE_S)
        self._ending = ending
        self.process = subprocess.Popen(
            [sys.executable, folder / "snakemake"], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        ending.callback(self._end)

    def job(self, fault: str = "") -> Job:
        """Start a job, and wait until it has its servers."""
        assert self.process.stdin is not None
        words = [sys.executable, str(JOB), str(self.folder), settings(fault).model_dump_json()]
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        orders, _ = self._door.accept()
        self._ending.enter_context(orders)
        said = json.loads(orders.recv(10000))
        guarding = psutil.Process(said["guard"])
        watching = guarding.parent()
        assert watching is not None
        family = [watching, guarding, *guarding.children(recursive=True)]
        return Job(psutil.Process(said["job"]), orders, said, family)

    def life(self) -> ServerLife:
        """Return the only life of servers."""
        [record] = self.folder.glob(f"lives/*/{LIFE_RECORD}")
        return ServerLife.read(record)

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.communicate()


@contextmanager
def workflow(folder: Path) -> Iterator[Workflow]:
    """Run a stand-in for Snakemake, and end it with all that it has started."""
    with ExitStack() as ending:
        yield Workflow(folder, ending)


def test_a_job_that_is_killed_on_a_kept_server_ends_it(tmp_path: Path) -> None:
    with workflow(tmp_path / "one") as ours:
        first = ours.job("clings")
        first.leave()
        second = ours.job("clings")
        assert len(second.family) >= 6
        assert second.said["servers"] == first.said["servers"]
        assert second.said["number"] == 2
        second.process.kill()
        await_gone(second.family)
        assert ours.life().reason == "the command that used it ended without releasing it"


def test_a_kept_server_is_its_snakemakes_alone_and_ends_with_it(tmp_path: Path) -> None:
    with workflow(tmp_path / "one") as one, workflow(tmp_path / "two") as two:
        kept, used = one.job(), two.job()
        kept.leave()
        assert all(lives(process) for process in kept.family[:3])
        # This process is below neither.
        start = f"weighbridge-{os.getuid()}-{one.process.pid}."
        listening = re.findall(r"@(\S+)", Path("/proc/net/unix").read_text())
        [name] = {name for name in listening if name.startswith(start)}
        for connection in doors(name.removesuffix("-0")):
            with connection:
                assert connection.recv(1) == b""
        other = two.job()
        assert other.said["servers"] not in (kept.said["servers"], used.said["servers"])
        one.process.kill()
        one.process.wait()
        await_gone(kept.family)
        reason = f"process {one.process.pid}, which it was started for, has ended"
        assert one.life().reason == reason
        two.process.kill()
        two.process.wait()
        await_gone([*used.family, *other.family])
