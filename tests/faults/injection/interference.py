"""Processes that are stopped or killed, and files that go, in the middle of a run of about a second."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from injection.actions import Action, Answer, Fate, http
from injection.commands import ARRIVES_WITHIN_S, Zygote
from injection.history import complaints_of_history
from injection.matrix import Row
from injection.oracle import EXPECTED, complaints_of_run
from injection.world import World
from weighbridge.client.frames import RECORD

_GROUP = "processes and files during a run"
_SOON = 8  # requests that arrived before the fault
_ANSWER_S = 0.2
STALL_LIMIT_S = 3.0
_STOPPED_S = 50.0  # a stopped process ends a run after 30 s


def slowly(_sample: int, answer: Answer) -> Action:
    """Answer rightly after a while, so that a run of 32 samples lasts a second."""
    return Action("slow", Fate.OK, (_ANSWER_S, http(answer.body())))


@dataclass(frozen=True)
class Scene:
    """What an interference can reach.

    Attributes:
        main: The command's process.
        out: The run's folder.
    """

    main: psutil.Process
    out: Path

    def process(self, module: str) -> psutil.Process:
        """Return the child that runs a module."""
        return next(
            each
            for each in self.main.children(recursive=True)
            if any(word == f"weighbridge.{module}" for word in each.cmdline())
        )


@dataclass(frozen=True)
class Interference:
    """One fault of this kind.

    Attributes:
        name: For the matrix.
        do: What is done once eight requests have arrived.
        must_pass: Whether the run must come to a right end.
        limit_s: Within which it must end then.
        kept: A file of the user in the run's folder, which must still be there.
    """

    name: str
    do: Callable[[Scene], object]
    must_pass: bool = False
    limit_s: float = 30.0
    kept: str | None = None


WORKER, LOADGEN = "client.worker", "loadgen.loadgen_process"


def _signal(module: str, number: signal.Signals) -> Callable[[Scene], object]:
    return lambda scene: scene.process(module).send_signal(number)


def _pause(module: str | None, seconds: float) -> Callable[[Scene], object]:
    def pause(scene: Scene) -> None:
        process = scene.main if module is None else scene.process(module)
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    return pause


def _replace(name: str, content: bytes) -> Callable[[Scene], object]:
    def replace(scene: Scene) -> None:
        new = scene.out / "new"
        new.write_bytes(content)
        new.replace(scene.out / name)

    return replace


def _overwrite(scene: Scene) -> None:
    with (scene.out / "requests.bin").open("r+b") as stream:
        stream.write(b"\xff" * RECORD.size)


def _put_mine(scene: Scene) -> None:
    (scene.out / "mine.txt").write_text("x")


def _put_mine_and_kill(scene: Scene) -> None:
    _put_mine(scene)
    scene.process(WORKER).kill()


INTERFERENCES: tuple[Interference, ...] = (
    *(
        Interference(f"{number.name} to {title}", _signal(module, number))
        for module, title in ((WORKER, "the worker"), (LOADGEN, "LoadGen"))
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT)
    ),
    Interference("the worker stopped for 1 s", _pause(WORKER, 1), must_pass=True),
    Interference("LoadGen stopped for 1 s", _pause(LOADGEN, 1), must_pass=True),
    Interference("the command stopped for 1 s", _pause(None, 1), must_pass=True),
    Interference("the worker stopped for good", _signal(WORKER, signal.SIGSTOP), limit_s=_STOPPED_S),
    Interference("LoadGen stopped for good", _signal(LOADGEN, signal.SIGSTOP), limit_s=_STOPPED_S),
    Interference("requests.bin removed", lambda scene: (scene.out / "requests.bin").unlink()),
    Interference("requests.bin emptied", lambda scene: os.truncate(scene.out / "requests.bin", 0)),
    Interference("requests.bin replaced", _replace("requests.bin", b"")),
    Interference("requests.bin overwritten", _overwrite),
    Interference("errors.jsonl removed", lambda scene: (scene.out / "errors.jsonl").unlink()),
    Interference("the run's folder removed", lambda scene: shutil.rmtree(scene.out)),
    Interference("the run's folder moved", lambda scene: scene.out.rename(scene.out.with_name("moved"))),
    Interference("a file of the user in the folder", _put_mine, must_pass=True, kept="mine.txt"),
    Interference("a file of the user, and the worker killed", _put_mine_and_kill, kept="mine.txt"),
)


def try_interference(zygote: Zygote, world: World, out: Path, one: Interference) -> Row:
    """Make one run with one interference."""
    server = world.server
    for folder in (out, out.with_name("moved")):
        shutil.rmtree(folder, ignore_errors=True)
    server.begin(slowly)
    client = {"request_timeout_s": 8, "stall_limit_s": STALL_LIMIT_S}
    command = world.run(out, "accuracy", client=client)

    def meanwhile(main: psutil.Process) -> None:
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while len(server.log) < _SOON and main.is_running() and time.monotonic() < deadline:
            time.sleep(0.01)
        with contextlib.suppress(psutil.Error, StopIteration, FileNotFoundError):
            one.do(Scene(main, out))

    ended = zygote.run(command, limit_s=one.limit_s, meanwhile=meanwhile)
    log = list(server.log)
    server.hang_up()
    found = complaints_of_run(world, ended, out, "accuracy")
    if len(log) < _SOON:
        found.append("the run ended before the fault")
    if one.kept is not None and not (out / one.kept).is_file():
        found.append(f"{one.kept} is gone")
    if one.must_pass and ended.code != 0:
        found.append(f"exit {ended.code}, though nothing was lost")
    if ended.code == 0 and (out / "run.json").is_file():
        found += complaints_of_history(out, log, world.truth, accuracy=True)
    expected = "a right result" if one.must_pass else EXPECTED
    return Row(_GROUP, one.name, expected, ended.seen, tuple(dict.fromkeys(found)))
