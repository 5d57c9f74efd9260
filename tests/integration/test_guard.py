"""Nothing of a server is left, whoever ends: the command, the guard, Snakemake; and however."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil
import pytest
from measuring import run_command
from simulating import simulated
from test_serving import command_line, family_of, lives, running_server, settings

from weighbridge.core.errors import SetupError
from weighbridge.core.proc import below
from weighbridge.records.run_record import REQUESTS_BINARY, RUN_RECORD, RunRecord
from weighbridge.serving import guard, guard_process
from weighbridge.serving.held_servers import guarded
from weighbridge.serving.launch import Launch
from weighbridge.simulate.behaviour import Behaviour

BIN = Path(sys.executable).parent
GONE_WITHIN_S = 10
# As Snakemake runs a job: a shell of its own that waits for the command.
SNAKEMAKE = """
import subprocess, sys
subprocess.run(["bash", "-c", '"$@"; exit $?', "bash", *sys.argv[1:]])
"""


@dataclass
class Served:
    """`weighbridge serve`, ready, and all processes that it takes part in.

    Attributes:
        started: The process that the test started: the command, or what stands in for Snakemake.
        command: The process of `weighbridge serve`.
        guard: Of its servers.
        family: All of them, with all that the server started.
        terminal: Its other end, where it has one.
    """

    started: subprocess.Popen[str]
    command: psutil.Process
    guard: psutil.Process
    family: list[psutil.Process]
    terminal: TextIO

    def await_end(self) -> float:
        """Return after how many seconds nothing was left."""
        began = time.monotonic()
        while left := [process for process in self.family if lives(process)]:
            assert time.monotonic() < began + GONE_WITHIN_S, left
            self.started.poll()
            time.sleep(0.02)
        return time.monotonic() - began


@contextmanager
def serving(
    folder: Path, fault: str = "clings", *, under: str = "", terminal: bool = False
) -> Iterator[Served]:
    """Serve a model, directly or under a stand-in for Snakemake; on a terminal, it is the standard error."""
    command = [str(BIN / "weighbridge"), "serve", "--server", settings(fault).model_dump_json()]
    command += ["--model", str(folder), "--server-log", str(folder / "server.log")]
    if under:
        (folder / under).write_text(SNAKEMAKE)
        command = [sys.executable, str(folder / under), *command]
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=theirs if terminal else subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=(lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)) if terminal else None,
    )
    os.close(theirs)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        with os.fdopen(ours) as stream:
            yield served(process, fault, stream)
    finally:
        process.kill()
        for left in family_of(str(folder)):
            with suppress(psutil.Error):
                left.kill()
        process.communicate()


def served(process: subprocess.Popen[str], fault: str, terminal: TextIO) -> Served:
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    command = next(p for p in tree if "serve" in command_line(p)[1:3])
    [guarding] = [p for p in tree if guard.__name__ in command_line(p)]
    if fault == "clings":
        # The server, its worker, its deaf child, and what left them all, which the guard took over.
        assert len(guarding.children()) == 2
        assert len(guarding.children(recursive=True)) >= 4
    return Served(process, command, guarding, tree, terminal)


SIGNALS = [signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGINT, signal.SIGKILL]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_that_a_signal_ends_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as run:
        run.command.send_signal(number)
        run.await_end()
        _, said = run.started.communicate(timeout=5)
        if number is signal.SIGKILL:
            assert run.started.returncode == -number
            return
        assert run.started.returncode == 128 + number
        assert said.splitlines()[-1].endswith(f"ERROR interrupted by {number.name}.")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_guard_that_is_ended_ends_the_command_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with serving(tmp_path) as run:
        run.guard.send_signal(number)
        run.await_end()
        _, said = run.started.communicate(timeout=5)
        assert run.started.returncode == 3
        reason = f"lost its guard (process {run.guard.pid})" if number is signal.SIGKILL else "was killed by"
        assert f"ERROR the server {reason}" in said.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_snakemake_that_ends_ends_its_command(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path, under="snakemake") as run:
        assert run.started.pid != run.command.pid
        os.kill(run.started.pid, number)
        run.started.wait()
        run.await_end()
        assert run.started.stderr is not None
        said = run.started.stderr.read().splitlines()[-1]
        assert f"ERROR process {run.started.pid} (python" in said
        assert said.endswith("), which it was started for, has ended.")


def test_a_killed_group_of_snakemake_leaves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, under="snakemake") as run:
        os.killpg(run.started.pid, signal.SIGKILL)
        run.await_end()


def test_a_shell_that_is_killed_below_snakemake_ends_its_command(tmp_path: Path) -> None:
    with serving(tmp_path, under="snakemake") as run:
        shell = run.command.parent()
        assert shell is not None
        assert shell.name() == "bash"
        shell.kill()
        run.await_end()


def test_another_program_above_may_end(tmp_path: Path) -> None:
    with serving(tmp_path, "", under="launcher") as run:
        run.started.kill()
        run.started.wait()
        time.sleep(1)
        assert lives(run.command)
        run.command.terminate()
        run.family.remove(psutil.Process(run.command.pid))
        run.await_end()


def test_what_is_stopped_is_ended_with_the_command(tmp_path: Path) -> None:
    with serving(tmp_path) as run:
        for stopped in (run.guard, *run.guard.children()):
            stopped.suspend()
        run.command.kill()
        run.await_end()


def test_a_closed_terminal_leaves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, terminal=True) as run:
        run.terminal.close()
        run.await_end()
        assert run.started.wait() == 128 + signal.SIGHUP


def test_nohup_keeps_a_command_when_its_terminal_closes(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it to what it starts
    try:
        with serving(tmp_path, "") as run:
            signal.signal(signal.SIGHUP, before)
            run.command.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            assert run.started.poll() is None
            run.command.terminate()
            run.await_end()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_log_of_a_server_is_its_owners_alone(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.touch(0o644)
    with running_server(settings(), tmp_path, log):
        assert log.stat().st_mode & 0o777 == 0o600


def test_a_guard_that_hangs_is_killed_and_its_servers_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_process, "KILLED_S", 1)
    with running_server(settings("clings", stop_timeout_s=0.1), tmp_path, tmp_path / "server.log") as running:
        hung = running.processes[0].group.guard_pid
        family = [psutil.Process(pid) for pid in below(hung)]
        os.kill(hung, signal.SIGSTOP)
    assert len(family) >= 4
    assert not any(process.is_running() for process in family)  # not even as a zombie


def launch(folder: Path, *command: str, cpus: frozenset[int] = frozenset()) -> Launch:
    return Launch((), command, dict(os.environ), folder / "server.log", None, cpus)


def test_a_server_runs_on_its_cpus_with_its_environment(tmp_path: Path) -> None:
    [cpu, *_] = os.sched_getaffinity(0)
    show = "import os; print(os.sched_getaffinity(0), os.getsid(0) == os.getpid(), os.environ['NAME'])"
    described = launch(tmp_path, sys.executable, "-c", show, cpus=frozenset({cpu}))
    described.environment["NAME"] = "caf\udce9"  # a byte that is no text, as the system hands it on
    with guarded([described], 1) as [server]:
        while not server.dead:
            time.sleep(0.01)
        assert server.returncode == 0
    assert described.log.read_bytes() == f"{{{cpu}}} True caf".encode() + b"\xe9\n"


def test_a_program_that_cannot_be_run_is_one_sentence(tmp_path: Path) -> None:
    before = below(os.getpid())
    with (
        pytest.raises(SetupError, match=rf"'{tmp_path}' cannot be run \(Permission denied\)\."),
        guarded([launch(tmp_path, "sleep", "60"), launch(tmp_path, str(tmp_path))], 1),
    ):
        pytest.fail("a folder was run")
    assert not below(os.getpid()) - before


def test_a_guard_that_does_not_even_start_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        pytest.raises(SetupError, match=r"the server lost its guard \(process \d+\) while starting"),
        running_server(settings(), tmp_path, tmp_path / "server.log"),
    ):
        pytest.fail("a server without a guard was taken for a ready one")


def test_a_run_whose_snakemake_is_killed_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    out, script = tmp_path / "out", tmp_path / "snakemake"
    script.write_text(SNAKEMAKE)
    with simulated(Behaviour(servers=3, mean_s=0.1)) as url:
        command = run_command(tmp_path, url, samples=3000, target_qps=20, duration_s=60, out=out)
        with subprocess.Popen(
            [sys.executable, script, sys.executable, "-m", "weighbridge", *command],
            stderr=subprocess.PIPE,
            text=True,
        ) as snakemake:
            records = out / REQUESTS_BINARY
            while not (records.exists() and records.stat().st_size):
                assert snakemake.poll() is None
                time.sleep(0.05)
            family = psutil.Process(snakemake.pid).children(recursive=True)
            snakemake.kill()
            killed = time.monotonic()
            while any(lives(process) for process in family):
                assert time.monotonic() < killed + GONE_WITHIN_S
                time.sleep(0.05)
            assert snakemake.stderr is not None
            said = snakemake.stderr.read().splitlines()[-1]
    reason = f"process {snakemake.pid} (python"
    assert f"ERROR the run ended early: {reason}" in said
    aborted = RunRecord.read(out / "aborted" / RUN_RECORD).load.aborted
    assert aborted is not None
    assert aborted.startswith(reason)
    assert not (tmp_path / ".out.lock").exists()
