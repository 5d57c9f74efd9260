"""Snakemake is interrupted in every phase, in every way: nothing is left, and the same command goes on.

One run directory, in which each test begins where the one before it was interrupted, as a user does: the same
command again. What it comes to in the end is as good as if nothing had happened.
"""

import json
import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
import yaml
from driver import BIN, Workflow

ROOT = Path(__file__).parents[2]
SAMPLES = 40
# Both runs of each scenario: LoadGen adds a tenth to the rate, and rounds up to whole passes.
ISSUED = {"offline": 120, "server": 80}
GONE_WITHIN_S = 10
MARK = "WEIGHBRIDGE_TEST_MARK"


def settings(folder: Path) -> dict[str, Any]:
    """Write a round of a second or two, and return what to lay over the rehearsal's configuration."""
    rules = {"min_duration_s": 1, "min_query_count": SAMPLES}
    limits = {"latency": {"limit_s": 12, "percentile": 0.9}}  # so few queries prove it
    scenarios = {"offline": rules, "server": rules | {"limits": limits}}
    round_ = {"extends": "rehearsal", "name": "interrupted", "samples": SAMPLES, "scenarios": scenarios}
    (folder / "round.yaml").write_text(yaml.safe_dump(round_))
    behaviour = json.dumps({"servers": 8, "mean_s": 0.1})
    return {
        "round": str(folder / "round.yaml"),
        "artifacts": {"dataset": {"synthetic": SAMPLES}},
        "server": {
            "args": [f"--round={folder / 'round.yaml'}", f"--behaviour={behaviour}"],
            "warmup_requests": 4,
        },
        "scenarios": {"offline": {"target_qps": 76}, "server": {"target_qps": 60}},
    }


class Interrupted:
    """A run directory, and the command that is given again and again."""

    def __init__(self, folder: Path, *arguments: str, server: Mapping[str, object] | None = None) -> None:
        """Use a folder; `arguments` come in each command, and `server` changes its settings."""
        self.workflow = Workflow(ROOT, folder / "run", base="rehearsal")
        self.results = folder / "run" / "results"
        changes = settings(folder)
        changes["server"] |= server or {}
        self._command = self.workflow.command(*arguments, **changes)
        self._log = folder / "snakemake.log"
        self._mark = ""

    @property
    def said(self) -> str:
        """What the last command said."""
        return self._log.read_text(errors="replace")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Give the command, as the leader of a process group, as a shell does."""
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [*self._command, *arguments],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        self._mark = uuid4().hex
        return self.workflow.environment | {MARK: self._mark}

    def start_on_terminal(self, command: Sequence[str] = ()) -> tuple[int, int]:
        """Give the command, or another, on a terminal of its own; return its process and our end of it."""
        environment = self._environment()
        words = list(command or self._command)
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.execve(words[0], words, environment)
        return pid, terminal

    @property
    def submit(self) -> list[str]:
        """The command for a person that makes the same."""
        at = self._command.index("--configfile")
        files = [word for name in self._command[at + 1 : at + 3] for word in ("--config", name)]
        words = ["submit", *files, "--directory", str(self.workflow.directory), "--cores", "2"]
        return [str(BIN / "weighbridge"), *words, "--snakemake", "--set-threads benchmark=1"]

    def living(self) -> dict[int, list[str]]:
        """Return the processes of the last command: their numbers and command lines."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self._mark}".encode() in (place / "environ").read_bytes():
                    found[int(place.name)] = (place / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue  # it has ended
        return found

    def in_command(self, name: str) -> bool:
        """Return whether a job runs one of weighbridge's commands."""
        return any(
            name in words and any(word.endswith("/weighbridge") for word in words)
            for words in self.living().values()
        )

    def in_phase(self, phase: str) -> bool:
        """Return whether a run is in a phase."""
        for file in self.results.glob("*/*/progress.json"):
            try:
                state = json.loads(file.read_text())
            except FileNotFoundError:
                continue
            if state["phase"] == phase and state["pid"] in self.living():
                return True
        return False

    def nothing_left(self) -> float:
        """Wait until no process of the last command lives; return the seconds."""
        begun = time.monotonic()
        while left := self.living():
            assert time.monotonic() - begun < GONE_WITHIN_S, f"left: {left}\n{self.said}"
            time.sleep(0.05)
        return time.monotonic() - begun

    def forget_lock(self) -> None:
        """Remove Snakemake's lock, as `snakemake --unlock` does, in no time."""
        shutil.rmtree(self.workflow.directory / ".snakemake" / "locks", ignore_errors=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interrupted]:
    folder = tmp_path_factory.mktemp("interrupted")
    run = Interrupted(folder, "submission", "--rerun-incomplete", "--set-threads", "benchmark=1")
    yield run
    for pid in run.living():
        os.kill(pid, signal.SIGKILL)


def until(reached: Callable[[], bool], alive: Callable[[], bool], run: Interrupted) -> None:
    deadline = time.monotonic() + 100
    while not reached():
        assert alive(), f"it ended before: {run.said}"
        assert time.monotonic() < deadline, run.said
        time.sleep(0.02)


def in_command(name: str) -> Callable[[Interrupted], bool]:
    return lambda run: run.in_command(name)


def in_phase(phase: str) -> Callable[[Interrupted], bool]:
    return lambda run: run.in_phase(phase)


STARTING, WARMING, RUNNING = map(in_phase, ("starting the server", "checking and warming up", "running"))
GROUP, ALONE = os.killpg, os.kill


def interrupt(
    run: Interrupted,
    reached: Callable[[Interrupted], bool],
    number: signal.Signals,
    kill: Callable[[int, int], None],
) -> None:
    """Give the command, and end it by a signal when it has come so far."""
    run.forget_lock()
    with run.start() as process:
        until(lambda: reached(run), lambda: process.poll() is None, run)
        kill(process.pid, number)
        run.nothing_left()
        # Snakemake handles SIGINT and SIGTERM; of the others it just dies, and leaves its lock.
        assert process.wait() == (1 if number in (signal.SIGINT, signal.SIGTERM) else -number)


@pytest.mark.parametrize(
    ("reached", "number", "kill"),
    [
        pytest.param(in_command("fetch"), signal.SIGKILL, GROUP, id="fetch"),
        pytest.param(in_command("build-requests"), signal.SIGHUP, GROUP, id="build-requests"),
        pytest.param(STARTING, signal.SIGQUIT, GROUP, id="start"),
        pytest.param(WARMING, signal.SIGTERM, GROUP, id="warm-up"),
        pytest.param(RUNNING, signal.SIGINT, GROUP, id="run-ctrl-c"),
        pytest.param(RUNNING, signal.SIGHUP, ALONE, id="run-orphaned"),
        pytest.param(RUNNING, signal.SIGKILL, GROUP, id="run-killed"),
    ],
)
def test_nothing_is_left_of_what_measures(
    run: Interrupted,
    reached: Callable[[Interrupted], bool],
    number: signal.Signals,
    kill: Callable[[int, int], None],
) -> None:
    interrupt(run, reached, number, kill)
    # It was ended, and did not just come to its end.
    assert not list(run.results.glob("*/*/run.json"))


def test_nothing_is_left_when_the_terminal_is_closed(run: Interrupted) -> None:
    run.forget_lock()
    pid, terminal = run.start_on_terminal()
    os.set_blocking(terminal, False)

    def reached() -> bool:
        with suppress(BlockingIOError):  # read, or the program could not go on writing
            os.read(terminal, 1 << 16)
        return RUNNING(run)

    # By its number: until it runs its program, it has no mark.
    until(reached, lambda: os.waitpid(pid, os.WNOHANG) == (0, 0), run)
    os.close(terminal)
    os.waitpid(pid, 0)
    run.nothing_left()
    assert not list(run.results.glob("*/*/run.json"))


@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param(lambda terminal: os.write(terminal, b"\x03"), 130, id="ctrl-c"),
        pytest.param(os.close, 129, id="closed"),
    ],
)
def test_submit_ends_what_it_started_with_its_terminal(
    run: Interrupted, end: Callable[[int], object], code: int
) -> None:
    run.forget_lock()
    pid, terminal = run.start_on_terminal(run.submit)
    os.set_blocking(terminal, False)
    said = b""

    def reached() -> bool:
        nonlocal said
        with suppress(BlockingIOError):
            said += os.read(terminal, 1 << 16)
        return RUNNING(run)

    until(reached, lambda: os.waitpid(pid, os.WNOHANG) == (0, 0), run)
    end(terminal)
    status = None
    while code == 130 and status is None:  # it writes on
        with suppress(BlockingIOError, OSError):
            said += os.read(terminal, 1 << 16)
        found, result = os.waitpid(pid, os.WNOHANG)
        status = result if found else None
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1] if status is None else status) == code
    run.nothing_left()
    assert not list(run.results.glob("*/*/run.json"))
    # It let Snakemake end in order.
    assert not list((run.workflow.directory / ".snakemake" / "locks").glob("*"))
    assert "fetch model" in said.decode() or "benchmark" in said.decode()
    if code == 130:
        assert "nothing is left running, and the same command goes on" in said.decode()


def test_sigterm_to_snakemake_alone_lets_running_jobs_finish(run: Interrupted) -> None:
    """Snakemake does that by itself; docs/troubleshooting.md says how to end it at once."""
    run.forget_lock()
    with run.start() as process:
        until(lambda: RUNNING(run), lambda: process.poll() is None, run)
        process.terminate()
        assert process.wait(60) == 1
        run.nothing_left()
    assert "Will exit after finishing currently running jobs" in run.said
    finished = list(run.results.glob("*/*/run.json"))
    assert len(finished) == 2
    assert all(json.loads(file.read_text())["load"]["aborted"] is None for file in finished)


@pytest.mark.parametrize(
    ("reached", "number", "kill"),
    [
        pytest.param(in_command("evaluate"), signal.SIGQUIT, ALONE, id="evaluate"),
        pytest.param(in_command("gate"), signal.SIGKILL, GROUP, id="gate"),
        pytest.param(in_command("assemble"), signal.SIGHUP, GROUP, id="assemble"),
        pytest.param(in_command("report"), signal.SIGKILL, ALONE, id="report"),
    ],
)
def test_nothing_is_left_of_what_judges(
    run: Interrupted,
    reached: Callable[[Interrupted], bool],
    number: signal.Signals,
    kill: Callable[[int, int], None],
) -> None:
    interrupt(run, reached, number, kill)


def test_another_snakemake_is_refused_until_the_lock_of_the_killed_one_is_removed(run: Interrupted) -> None:
    with run.start() as second:
        assert second.wait() == 1
    assert "Directory cannot be locked" in run.said
    with run.start("--unlock") as unlock:
        assert unlock.wait() == 0


def test_the_same_command_then_makes_what_it_would_have_made_at_once(run: Interrupted) -> None:
    run.forget_lock()
    with run.start() as process:
        assert process.wait() == 0, run.said
    run.nothing_left()
    for scenario, issued in ISSUED.items():
        verdict = json.loads((run.results / scenario / "verdict.json").read_text())
        assert verdict["outcome"] == "VALID"
        for mode in ("performance", "accuracy"):
            folder = run.results / scenario / mode
            load = json.loads((folder / "run.json").read_text())["load"]
            assert (
                load["issued"] == load["completed"] == pq.read_metadata(folder / "requests.parquet").num_rows
            )
            assert load["issued"] == (issued if mode == "performance" else SAMPLES)
    assert "accepted" in (run.results / "check.txt").read_text()
