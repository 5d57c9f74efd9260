"""Runs of one command share one start of the server, and none is left when nothing can want it.

One run directory, in which the tests follow each other: a whole run first, then parts of it again.
"""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from test_interrupted import ALONE, GROUP, Interrupted, interrupt

from weighbridge.records.run_record import RUN_RECORD, SERVER_LOG, RunRecord
from weighbridge.records.server_life import LIFE_RECORD, LIVES_FOLDER, LifeBrief, ServerLife

RUNS = [f"{scenario} {run}" for run in ("performance", "accuracy") for scenario in ("offline", "server")]
OFFLINE = [f"results/offline/{run}/{RUN_RECORD}" for run in ("performance", "accuracy")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("one-start")


def lives(results: Path) -> list[ServerLife]:
    """Return all lives of servers so far, in order."""
    return [ServerLife.read(path) for path in sorted((results / LIVES_FOLDER).glob(f"*/{LIFE_RECORD}"))]


def made(folder: Path, *arguments: str, **server: object) -> list[ServerLife]:
    """Give a command, and return the lives of servers that began with it; they have ended with it."""
    command = Interrupted(folder, *arguments, server=server)
    before = len(lives(command.results))
    with command.start() as process:
        assert process.wait() == 0, command.said
    new = lives(command.results)[before:]
    assert all(life.ended for life in new), new
    assert command.living() == {}
    return new


def brief(folder: Path, scenario: str, run: str) -> LifeBrief:
    life = RunRecord.read(folder / "run" / "results" / scenario / run / RUN_RECORD).server.life
    assert life is not None
    return life


def test_all_runs_of_a_command_share_one_start(folder: Path) -> None:
    [life] = made(folder, "verdicts")
    assert [use.label for use in life.uses] == RUNS
    # It ended with the last.
    assert [use.ended is None for use in life.uses] == [False, False, False, True]
    results = folder / "run" / "results"
    for place, label in enumerate(RUNS):
        scenario, run = label.split()
        assert brief(folder, scenario, run) == LifeBrief(
            id=life.id, number=place + 1, before=tuple(RUNS[:place])
        )
        # The start, and this run.
        whole = (results / LIVES_FOLDER / life.id / SERVER_LOG).read_bytes()
        own = (results / scenario / run / SERVER_LOG).read_bytes()
        assert own.splitlines()[0] == whole.splitlines()[0]
    for scenario in ("offline", "server"):
        assert json.loads((results / scenario / "verdict.json").read_text())["outcome"] == "VALID"


def test_a_target_of_its_own_is_made_alone_and_ends_its_server_at_once(folder: Path) -> None:
    results = folder / "run" / "results"
    others = {path: path.stat().st_mtime_ns for path in results.glob(f"*/*/{RUN_RECORD}")}
    accuracy = results / "offline" / "accuracy"
    del others[accuracy / RUN_RECORD]
    (accuracy / RUN_RECORD).unlink()
    (results / "offline" / "accuracy.txt").unlink()
    [life] = made(folder, "results/offline/accuracy.txt")
    assert [use.label for use in life.uses] == ["offline accuracy"]
    assert brief(folder, "offline", "accuracy") == LifeBrief(id=life.id, number=1)
    assert {path: path.stat().st_mtime_ns for path in others} == others
    # Before the score was computed, and not with Snakemake.
    score = (results / "offline" / "accuracy.txt").stat().st_mtime
    assert (results / LIVES_FOLDER / life.id / LIFE_RECORD).stat().st_mtime < score


def test_without_keeping_each_run_has_a_start_of_its_own(folder: Path) -> None:
    first, second = made(folder, *OFFLINE, "--forcerun", "benchmark", keep=False)
    assert [use.label for life in (first, second) for use in life.uses] == [
        "offline performance",
        "offline accuracy",
    ]


@pytest.mark.parametrize(("number", "kill"), [(signal.SIGHUP, GROUP), (signal.SIGKILL, ALONE)])
def test_nothing_is_left_of_a_snakemake_that_ends_between_two_runs(
    folder: Path, number: signal.Signals, kill: Callable[[int, int], None]
) -> None:
    command = Interrupted(folder, *OFFLINE, "--forcerun", "benchmark", "--rerun-incomplete")
    before = len(lives(command.results))

    def waits_for_the_next_run(_: Interrupted) -> bool:
        new = lives(command.results)[before:]
        return len(new) == 1 and len(new[0].uses) == 1 and new[0].uses[0].ended is not None

    interrupt(command, waits_for_the_next_run, number, kill)
    [life] = lives(command.results)[before:]
    assert life.ended
    assert len(life.uses) == 1
