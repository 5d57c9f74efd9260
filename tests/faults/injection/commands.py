"""Commands under test: run to their end or to a time limit, and looked after so that nothing is left."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Self

import psutil

from injection.shim import CallFault, State

MARK = "FAULTS_STATE"
# Until a run has come to where a fault strikes: seconds, and more on a busy machine.
ARRIVES_WITHIN_S = 60.0
TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Exit code; negative: the signal; None: it had to be killed at the time limit.
        text: What it printed, both streams.
        took_s: Seconds.
        left: Command lines of processes that were still there 10 s after it.
        hits: How often the fault struck.
        place: The call that was hit.
    """

    code: int | None
    text: str
    took_s: float
    left: tuple[str, ...]
    hits: int
    place: str

    @property
    def seen(self) -> str:
        """What was seen of it, for the matrix: exit code, seconds, the last line."""
        return f"{self.exit}: {self.last_line}"

    @property
    def exit(self) -> str:
        return f"exit {self.code} in {self.took_s:.1f} s"

    @property
    def last_line(self) -> str:
        return (self.text.strip().splitlines() or [""])[-1]


class Zygote:
    """Runs commands one after the other, each in a process forked from one that has imported everything."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.state = State(folder / "state")
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._environment = os.environ | {
            "LD_PRELOAD": str(library),
            MARK: str(self.state.path),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")])),
            "TMPDIR": str(self.temporary),
            "COLUMNS": "200",
            # One thread each: pools of threads that fork are not what is tested.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "injection.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment | {"FAULTS_PARENT": str(os.getpid())},
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._lines.get(timeout=60) == "ready"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        kill_all(self._of_this_run())
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        self._process.stdout.close()

    def run(
        self,
        arguments: Sequence[str],
        fault: CallFault | None = None,
        *,
        limit_s: float = 40,
        environment: Mapping[str, str] | None = None,
        meanwhile: Callable[[psutil.Process], object] | None = None,
        patience_s: float = 10,
    ) -> Ended:
        """Run one command.

        `meanwhile` gets its process, on this thread, while it runs; the limit counts from its return.
        """
        if self._process.poll() is not None:  # a fault of this program must not spoil all that follow
            self._stop()
            self._start()
        self.state.prepare(fault, self._process.pid)
        output = self.folder / "output.txt"
        output.unlink(missing_ok=True)
        order = {
            "arguments": [str(word) for word in arguments],
            "environment": dict(environment or {}),
            "folder": str(self.folder),
            "stdout": str(output),
            "stderr": str(output),
        }
        assert self._process.stdin is not None
        started = time.monotonic()
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        child = psutil.Process(int(self._lines.get(timeout=ARRIVES_WITHIN_S)))
        if meanwhile is not None:
            meanwhile(child)
        code: int | None
        try:
            code = int(self._lines.get(timeout=limit_s))
        except Empty:
            code = None
        took_s = time.monotonic() - started
        # The fault is over: what ends the rest must not be hit.
        self.state.disarm()
        hits, place = self.state.hits, self.state.place
        if code is None:
            left = tuple(described(each) for each in self._of_this_run())
            kill_all(self._of_this_run())
            self._lines.get(timeout=20)
        else:
            left = self._left_after(patience_s)
        text = output.read_text(errors="replace") if output.exists() else ""
        return Ended(code, text, took_s, left, hits, place)

    def _left_after(self, patience_s: float) -> tuple[str, ...]:
        deadline = time.monotonic() + patience_s
        while alive := self._of_this_run():
            if time.monotonic() > deadline:
                left = tuple(described(each) for each in alive)
                kill_all(alive)
                return left
            time.sleep(0.02)
        return ()

    def _of_this_run(self) -> list[psutil.Process]:
        """Return what carries our mark, but for the zygote."""
        return [each for each in marked(str(self.state.path)) if each.pid != self._process.pid]


def marked(value: str) -> list[psutil.Process]:
    """Return the living processes with this value of the mark in their environment; forks inherit it."""
    needle = f"{MARK}={value}".encode() + b"\0"
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if needle in (entry / "environ").read_bytes():
                process = psutil.Process(int(entry.name))
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        except (OSError, psutil.Error):
            continue
    return found


def described(process: psutil.Process) -> str:
    """Return a process's command line, shortened."""
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    return str(process.pid)


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """Kill, and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(list(processes), timeout=5)
