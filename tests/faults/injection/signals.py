"""Signals at every phase of every command: its exit code, one sentence, nothing left, and a rerun works."""

import contextlib
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from injection.actions import HANG_S, Action, Answer, Fate
from injection.commands import ARRIVES_WITHIN_S, Ended, Zygote, marked
from injection.matrix import NEVER_REACHED, Row
from injection.oracle import complaints_of_ended, complaints_of_files, complaints_of_run
from injection.shim import CallFault, Kind, Role
from injection.stages import Stage, begin, complaints_of_products
from injection.world import World, well

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)
_GROUP = "signals"
_EXPECTED = "exit {code} after one sentence; nothing left; a rerun works"
_KINDS = (Kind.CREATE, Kind.WRITE, Kind.RENAME, Kind.SPAWN, Kind.SOCKET, Kind.SEND)


def places(counts: dict[tuple[Role, Kind], int], most: int) -> list[tuple[Kind, int]]:
    """Return up to `most` calls of the command's own process, spread over all that a clean run makes."""
    every = [(kind, nth) for kind in _KINDS for nth in range(1, counts.get((Role.MAIN, kind), 0) + 1)]
    step = max(1, len(every) // most)
    return every[step // 2 :: step][:most]


def _code(number: signal.Signals) -> int:
    return -number if number is signal.SIGKILL else 128 + number


def _complaints(ended: Ended, number: signal.Signals, other: tuple[int, ...] = ()) -> list[str]:
    code = _code(number)
    found = complaints_of_ended(ended, (code, *other))
    if number is signal.SIGKILL:  # nothing of a killed process can keep its children from telling
        found = [each for each in found if not each.startswith("printed")]
    if (
        number is not signal.SIGKILL
        and ended.code == code
        and not re.search(r" (ERROR|WARNING) \S", ended.text)
    ):
        found.append("no sentence")
    return found


def _row(what: str, number: signal.Signals, ended: Ended, found: list[str], *, reached: bool = True) -> Row:
    expected = _EXPECTED.format(code=_code(number))
    seen = ended.seen if reached else NEVER_REACHED
    return Row(_GROUP, f"{number.name} to {what}", expected, seen, tuple(dict.fromkeys(found)))


def try_stage(
    zygote: Zygote, world: World, one: Stage, out: Path, number: signal.Signals, kind: Kind, nth: int
) -> Row:
    """Send a signal to a stage as it makes its n-th call of a kind; run it again afterwards."""
    world.server.begin(well)
    command = begin(world, one, out)
    ended = zygote.run(command, CallFault(Role.MAIN, kind, nth, -number))
    # The last calls may come when all is made: then it may end as if nothing had been.
    found = _complaints(ended, number, (0,))
    hard = number is signal.SIGKILL
    found += complaints_of_products(out, one, finished=ended.code == 0) if not hard else []
    world.server.hang_up()
    world.server.begin(well)
    again = zygote.run(command, limit_s=60)
    found += [f"rerun: {each}" for each in complaints_of_ended(again, (0,))]
    found += [f"rerun: {each}" for each in complaints_of_products(out, one, finished=True) if not hard]
    place = f"{one.name} at its {kind.name.lower()} {nth} ({ended.place})"
    return _row(place, number, ended, found, reached=ended.hits > 0)


def _hangs(_sample: int, _answer: Answer) -> Action:
    return Action("hang", Fate.FAILED, (HANG_S,))


_STAND_IN = """#!/bin/sh
[ "$1" != --version ] || { echo 0.12.0; exit; }
sleep 300 &
exec sleep 300
"""


def phases(
    zygote: Zygote, world: World, out: Path
) -> dict[str, tuple[list[str], Callable[[psutil.Process], bool]]]:
    """Return, for each phase of a run, a command that stays in it, and whether it has come there."""
    stand_in = out.parent / "stand-in"
    stand_in.write_text(_STAND_IN)
    stand_in.chmod(0o755)
    own = {"endpoints": [], "executable": str(stand_in), "gpus": 0, "startup_timeout_s": 100}
    slow = {"request_timeout_s": 100}

    # Our library is in its environment too, which the closed division forbids.
    in_open_division = [*world.run(out, server=own), "--division", "open"]

    def starts(_main: psutil.Process) -> bool:
        # Not a child of the command, where a guard stands between.
        return any(each.name() == "sleep" for each in marked(str(zygote.state.path)))

    return {
        "the start-up of a server": (in_open_division, starts),
        "the warm-up": (world.run(out, client=slow), lambda _main: world.server.warming),
        "the run": (world.run(out, client=slow), lambda _main: len(world.server.log) >= 8),
    }


def try_phase(zygote: Zygote, world: World, phase: str, out: Path, number: signal.Signals) -> Row:
    """Send a signal to a run that stays in a phase."""
    shutil.rmtree(out, ignore_errors=True)
    command, reached = phases(zygote, world, out)[phase]
    world.server.begin(_hangs, hanging_warmup=phase == "the warm-up")
    arrived = False

    def meanwhile(main: psutil.Process) -> None:
        nonlocal arrived
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while time.monotonic() < deadline and main.is_running():
            with contextlib.suppress(psutil.Error):
                if reached(main):
                    arrived = True
                    break
            time.sleep(0.02)
        with contextlib.suppress(psutil.Error):
            main.send_signal(number)

    ended = zygote.run(command, meanwhile=meanwhile)
    world.server.hang_up()
    # In the run itself its records are written first, and the sentence says that it ended early.
    found = _complaints(ended, number, (4,) if phase == "the run" else ())
    if not arrived:
        found.append("the phase was never reached")
    if number is not signal.SIGKILL:
        found += complaints_of_files(out)
        found += [each for each in complaints_of_run(world, ended, out, "performance") if "VALID" in each]
    return _row(phase, number, ended, found)


PHASES = ("the start-up of a server", "the warm-up", "the run")
