"""Servers that are kept for the next use: who may have them, and when they end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_serving import command_line, lives, settings

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.proc import ProcessId, below
from weighbridge.records.server_life import LIFE_RECORD, ServerLife
from weighbridge.serving import guard, held_servers, kept_servers
from weighbridge.serving.guard_process import guard_command
from weighbridge.serving.keeping import Keeping
from weighbridge.serving.kept_servers import Snakemake
from weighbridge.serving.kept_socket import SLOTS, doors
from weighbridge.serving.running_server import RunningServer, running_server

GONE_WITHIN_S = 10
SYSTEM_PYTHON = "/usr/bin/python3"  # which every user may run


@pytest.fixture
def snakemake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Snakemake]:
    """Let this process be the Snakemake whose jobs may share servers, and its jobs too."""
    monkeypatch.setattr(kept_servers, "top_snakemake", lambda: ProcessId.of(os.getpid()))
    above = Snakemake.above()
    assert above is not None
    yield above
    left = [child for child in psutil.Process().children() if guard.__name__ in command_line(child)]
    for watcher in left:
        for process in (watcher, *watcher.children()):
            with suppress(psutil.NoSuchProcess):
                process.resume()
                process.terminate()
    psutil.wait_procs(psutil.Process().children(), GONE_WITHIN_S)  # those that ended by themselves too
    assert not below(os.getpid())


def keeping(folder: Path, label: str = "offline performance", keep_s: float = 60) -> Keeping:
    return Keeping(folder / "lives", label, "results/run", "0" * 64, keep_s, lambda: True)


def serving(
    folder: Path, label: str = "offline performance", keep_s: float = 60, fault: str = "", **values: object
) -> AbstractContextManager[RunningServer]:
    return running_server(settings(fault, **values), folder, keeping(folder, label, keep_s), forbidden=())


def life_of(folder: Path, running: RunningServer) -> ServerLife:
    assert running.life is not None
    return ServerLife.read(folder / "lives" / running.life.id / LIFE_RECORD)


def family_of(running: RunningServer) -> list[psutil.Process]:
    """Return the guard, what watches it, and all that the servers started."""
    guarding = psutil.Process(running.processes[0].group.guard_pid)
    watching = guarding.parent()
    assert watching is not None
    return [watching, guarding, *guarding.children(recursive=True)]


def pids(running: RunningServer) -> list[int]:
    return [server.pid for server in running.processes]


def append(running: RunningServer, text: str) -> None:
    """Let the first server print something."""
    with running.processes[0].launch.log.open("a") as stream:
        stream.write(text)


def await_gone(family: list[psutil.Process], within_s: float = GONE_WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while left := [process for process in family if lives(process)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_the_next_use_has_the_same_processes(tmp_path: Path, snakemake: Snakemake) -> None:
    with serving(tmp_path, replicas=2) as first:
        ready = life_of(tmp_path, first)
        assert ready.ready is not None
        assert sum(ready.stages.values()) > 0
        append(first, "during the first\n")
        first.copy_logs(tmp_path / "first.log")
    between = life_of(tmp_path, first)
    assert between.uses[0].ended is not None
    assert between.ended is None
    with serving(tmp_path, "offline accuracy", replicas=2) as second:
        assert pids(second) == pids(first)
        assert second.endpoints == first.endpoints
        assert second.command == first.command
        assert second.proven == first.proven
        append(second, "during the second\n")
        second.copy_logs(tmp_path / "second.log")
    assert first.life is not None
    assert second.life == first.life.model_copy(update={"number": 2, "before": ("offline performance",)})
    said = [(tmp_path / f"{name}-0.log").read_text() for name in ("first", "second")]
    start, left_out, own = said[1].partition(
        "\n--- weighbridge: what the server printed for earlier runs is left out"
    )
    assert said[0] == f"{start}during the first\n"
    assert left_out
    assert own.endswith(" ---\nduring the second\n")
    uses = life_of(tmp_path, second).uses
    assert [use.label for use in uses] == ["offline performance", "offline accuracy"]


def test_a_third_at_the_same_time_has_its_own(tmp_path: Path, snakemake: Snakemake) -> None:
    with serving(tmp_path) as first, serving(tmp_path) as other:
        assert pids(other) != pids(first)
    # Both are kept now; each is used by one at a time.
    with serving(tmp_path) as one, serving(tmp_path) as two:
        assert sorted(pids(one) + pids(two)) == sorted(pids(first) + pids(other))


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[RunningServer]]] = {
    "an argument": lambda folder, _: serving(folder, args=("--max-num-seqs=7",)),
    "a variable of the settings": lambda folder, _: serving(
        folder, env={"MODEL_SERVER_FAULT": "", "OMP_NUM_THREADS": "7"}
    ),
    "an inherited variable": lambda folder, patch: (patch.setenv("A_VARIABLE", "1"), serving(folder))[1],
    "the model": lambda folder, _: running_server(
        settings(), folder, Keeping(folder / "lives", "a", "b", "1" * 64, 60, lambda: True), forbidden=()
    ),
    "the key": lambda folder, _: running_server(settings(), folder, keeping(folder), "s3cret", forbidden=()),
    "what the round forbids": lambda folder, _: running_server(
        settings(), folder, keeping(folder), forbidden=tuple(ServerFeature)
    ),
    "the GPUs": lambda folder, _: serving(folder, gpus=1),
    "the number of servers": lambda folder, _: serving(folder, replicas=2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_server_is_not_shared_across_a_change(
    tmp_path: Path, snakemake: Snakemake, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with serving(tmp_path) as first:
        family = family_of(first)
    with CHANGES[change](tmp_path, monkeypatch) as second:
        # It was gone before the other started: GPUs are free only then.
        assert not any(lives(process) for process in family)
        before, after = life_of(tmp_path, first), life_of(tmp_path, second)
        assert before.reason == "a run with another server was next"
        assert before.ended is not None
        assert before.ended <= after.started
        assert second.life is not None
        assert second.life.number == 1
    assert not any("s3cret" in path.read_text() for path in (tmp_path / "lives").glob("*/*"))


def test_a_server_that_another_job_takes_first_is_not_waited_for(
    tmp_path: Path, snakemake: Snakemake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question whether it is the wanted one and the order to end it."""
    with serving(tmp_path) as first:
        pass
    ask = kept_servers._Door.ask
    with ExitStack() as other_job:

        def asked(door: kept_servers._Door, **message: object) -> dict[str, Any] | None:
            if "replace" in message:
                monkeypatch.setattr(kept_servers._Door, "ask", ask)
                assert pids(other_job.enter_context(serving(tmp_path))) == pids(first)
            return ask(door, **message)

        monkeypatch.setattr(kept_servers._Door, "ask", asked)
        monkeypatch.setattr(kept_servers, "_GONE_S", 1e6)
        with serving(tmp_path, replicas=2) as second:
            assert all(lives(psutil.Process(pid)) for pid in pids(first) + pids(second))


def test_a_kept_server_waits_no_longer_than_it_may(tmp_path: Path, snakemake: Snakemake) -> None:
    with serving(tmp_path, keep_s=0.3, fault="clings") as running:
        family = family_of(running)
    assert lives(family[1])
    await_gone(family)
    life = life_of(tmp_path, running)
    assert life.reason == "nothing wanted it for 0.3 s"
    assert life.uses[0].ended
    assert life.stopping
    assert life.ended
    assert life.started < life.uses[0].ended < life.stopping < life.ended


def test_a_server_that_nothing_can_want_ends_with_its_use(tmp_path: Path, snakemake: Snakemake) -> None:
    last = Keeping(tmp_path / "lives", "a", "b", "0" * 64, 60, lambda: False)
    with running_server(settings(), tmp_path, last, forbidden=()) as running:
        family = family_of(running)
    assert not any(lives(process) for process in family)
    assert life_of(tmp_path, running).reason == "its use was over"


def test_a_server_whose_use_fails_ends_with_it(tmp_path: Path, snakemake: Snakemake) -> None:
    with serving(tmp_path) as running:
        pass
    with suppress(InterruptedError), serving(tmp_path) as second:
        assert pids(second) == pids(running)
        family = family_of(second)
        raise InterruptedError
    assert not any(lives(process) for process in family[1:])
    assert life_of(tmp_path, running).reason == "its use ended with an error"


def test_without_a_snakemake_nothing_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        [guarding] = [p for p in psutil.Process().children() if guard.__name__ in command_line(p)]
        family = [guarding, *guarding.children(recursive=True)]
    assert not any(lives(process) for process in family)
    assert life_of(tmp_path, running).ended is not None


def test_a_server_that_dies_while_nobody_uses_it_is_told_of(
    tmp_path: Path, snakemake: Snakemake, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path, replicas=2) as first:
        family = family_of(first)
    os.kill(first.processes[1].pid, signal.SIGKILL)
    await_gone(family[2:])
    reason = "a server was killed by signal 9 while nothing used it"
    with serving(tmp_path, replicas=2) as second:
        assert second.life != first.life
    assert f"the kept server is gone ({reason}); starting anew" in caplog.text
    await_gone(family)
    assert life_of(tmp_path, first).reason == reason


@pytest.mark.parametrize("killed", ["guard", "what watches it"])
def test_a_guard_that_is_killed_while_nobody_uses_its_servers_leaves_nothing(
    tmp_path: Path, snakemake: Snakemake, killed: str
) -> None:
    with serving(tmp_path, fault="clings") as first:
        family = family_of(first)
    assert len(family) >= 6
    family[1 if killed == "guard" else 0].kill()
    await_gone(family)
    assert (life_of(tmp_path, first).ended is None) == (killed == "guard")
    with serving(tmp_path) as second:
        assert second.life != first.life


@pytest.mark.parametrize("watched", [True, False])
def test_a_guard_that_is_killed_during_the_next_use_is_noticed(
    tmp_path: Path, snakemake: Snakemake, watched: bool
) -> None:
    with serving(tmp_path, fault="clings"):
        pass
    with serving(tmp_path, fault="clings") as second:
        assert second.life is not None
        assert second.life.number == 2
        family = family_of(second)
        assert second.trouble() is None
        for process in family[1:2] if watched else family[:2]:
            process.kill()
        deadline = time.monotonic() + GONE_WITHIN_S
        while (trouble := second.trouble()) is None:
            assert time.monotonic() < deadline
        assert f"lost its guard (process {family[1].pid})" in trouble
    assert not any(lives(process) for process in family[1:])


def test_a_stopped_guard_goes_on_when_it_is_wanted(tmp_path: Path, snakemake: Snakemake) -> None:
    with serving(tmp_path) as first:
        pass
    os.kill(first.processes[0].group.guard_pid, signal.SIGSTOP)
    with serving(tmp_path) as second:
        assert pids(second) == pids(first)


def test_a_guard_that_stays_stopped_is_left_alone(
    tmp_path: Path,
    snakemake: Snakemake,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(kept_servers, "_ANSWER_S", 0.5)
    with serving(tmp_path) as first:
        family = family_of(first)
    for process in family[:2]:
        process.suspend()
    with serving(tmp_path) as second:
        assert pids(second) != pids(first)
    assert f"the guard of a kept server (process {family[1].pid}) does not answer; it is left" in caplog.text


NO_MESSAGES = [b"\xff\x00 no JSON\n", b'{"want": 1}\n', b"[]\n", b"{}\n", b"x" * (1 << 17)]


@pytest.mark.parametrize("said", NO_MESSAGES)
def test_what_is_no_message_does_not_disturb_a_guard(
    tmp_path: Path, snakemake: Snakemake, said: bytes
) -> None:
    with serving(tmp_path) as first:
        pass
    for silent in (False, True):
        [connection] = doors(snakemake.name)
        with connection, suppress(ConnectionError):
            connection.sendall(said[: 3 if silent else None])
            if not silent:
                assert connection.recv(100) in (b"", b'{"event": "others"}\n')
    with serving(tmp_path) as second:
        assert pids(second) == pids(first)


def test_a_full_disk_costs_the_record_and_not_the_server(tmp_path: Path, snakemake: Snakemake) -> None:
    with serving(tmp_path) as first:
        assert first.life is not None
        record = tmp_path / "lives" / first.life.id / LIFE_RECORD
        record.unlink()
        record.symlink_to("/dev/full")
    with serving(tmp_path) as second:
        assert pids(second) == pids(first)
        record.unlink()
    assert [use.ended is None for use in life_of(tmp_path, second).uses] == [False, False]


def answering(folder: Path, name: str, answer: bytes) -> list[str]:
    """Return the command line of a program that looks like a guard, and gives everybody an answer."""
    package = folder / "elsewhere" / "weighbridge" / "serving"
    package.mkdir(parents=True)
    for each in (package, package.parent):
        (each / "__init__.py").touch()
    (package / "guard.py").write_text(
        "import socket\n"
        "door = socket.socket(socket.AF_UNIX)\n"
        f"door.bind({f'{chr(0)}{name}-0'!r})\n"
        "door.listen()\n"
        "while True:\n"
        "    guest, _ = door.accept()\n"
        "    if guest.recv(10000):\n"
        f"        guest.sendall({answer!r})\n"
    )
    return [*guard_command(), "3", "4"]


@pytest.mark.parametrize(
    "answer",
    [
        b'{"event": "leased", "servers": [{"pid": 1, "about": {"command": ["a"], "log": "/dev/null", '
        b'"endpoint": "http://127.0.0.1:9"}}], "logs": [0], "life": {"id": "a", "number": 1}}\n',
        b'{"event": "leased"}\n',
        b"no JSON\n",
        b'{"event": 7}\n',
    ],
)
def test_one_that_poses_as_a_guard_is_not_used(
    tmp_path: Path, snakemake: Snakemake, caplog: pytest.LogCaptureFixture, answer: bytes
) -> None:
    command = answering(tmp_path, snakemake.name, answer)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "elsewhere")}
    with subprocess.Popen(command, env=environment) as posing:
        try:
            while not (found := list(doors(snakemake.name))):
                time.sleep(0.02)
            found[0].close()
            with serving(tmp_path) as first:
                assert psutil.Process(first.processes[0].pid).is_running()
            said, who = caplog.text, f"process {posing.pid}"
            assert f"{who} answers as no guard" in said or f"({who}) does not answer" in said
        finally:
            posing.kill()
    with serving(tmp_path) as second:
        assert pids(second) == pids(first)


def test_a_job_of_another_environment_may_have_the_server(
    tmp_path: Path, snakemake: Snakemake, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "bin" / "python"
    other.parent.mkdir(parents=True)
    other.symlink_to(sys.executable)
    for name in ("lib", "pyvenv.cfg"):
        (tmp_path / "other" / name).symlink_to(Path(sys.prefix) / name)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(held_servers, "guard_command", lambda: [str(other), *guard_command()[1:]])
        with serving(tmp_path) as first:
            assert family_of(first)[1].cmdline()[0] == str(other)
    with serving(tmp_path) as second:
        assert pids(second) == pids(first)


def test_a_squatter_on_a_name_is_left_alone(
    tmp_path: Path, snakemake: Snakemake, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX) as squatter:
        squatter.bind(f"\0{snakemake.name}-0")
        squatter.listen()
        with serving(tmp_path) as first:
            pass
        with serving(tmp_path) as second:
            assert pids(second) == pids(first)
    assert f"process {os.getpid()} (" in caplog.text
    assert "uses the name of a kept server; it is left alone, and not used" in caplog.text


@pytest.mark.skipif(
    os.getuid() != 0 or not Path(SYSTEM_PYTHON).exists(),
    reason=f"only root can run a program as another user, and {SYSTEM_PYTHON} is needed for it",
)
def test_another_users_program_on_a_name_is_left_alone(
    tmp_path: Path, snakemake: Snakemake, caplog: pytest.LogCaptureFixture
) -> None:
    squat = "import socket, sys; d = socket.socket(socket.AF_UNIX); d.bind(chr(0) + sys.argv[1]); d.listen()"
    command = [SYSTEM_PYTHON, "-c", f"{squat}; print(1, flush=True); input()", f"{snakemake.name}-0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, user=65534, cwd="/", stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        with serving(tmp_path) as first:
            pass
        assert f"process {other.pid} of user 65534 uses the name of a kept server" in caplog.text
        other.kill()
    with serving(tmp_path) as second:
        assert pids(second) == pids(first)


def test_without_a_free_name_nothing_is_kept(tmp_path: Path, snakemake: Snakemake) -> None:
    squatters = [socket.socket(socket.AF_UNIX) for _ in range(SLOTS)]
    for slot, squatter in enumerate(squatters):
        squatter.bind(f"\0{snakemake.name}-{slot}")
    with serving(tmp_path) as running:
        family = family_of(running)
    assert not any(lives(process) for process in family)
    for squatter in squatters:
        squatter.close()


def test_only_settings_of_the_servers_make_them_different(tmp_path: Path, snakemake: Snakemake) -> None:
    """What says when servers start and stop does not change what answers."""

    def use(values: ServerSettings) -> list[int]:
        with running_server(values, tmp_path, keeping(tmp_path), forbidden=()) as running:
            return pids(running)

    assert use(settings()) == use(settings(startup_timeout_s=30, stop_timeout_s=2, warmup_requests=3))
