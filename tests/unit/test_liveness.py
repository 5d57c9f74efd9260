"""What stops going on is told soon, and ends the run after its limit; seen with a clock of the test."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from weighbridge.client.liveness import Watchdog
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.core.proc import is_stopped
from weighbridge.run import stopped_servers
from weighbridge.run.stopped_servers import StoppedServers

OWN = "LoadGen's process"


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def watchdog(clock: Clock, pids: dict[int, str] | None = None) -> Watchdog:
    return Watchdog(OWN, pids or {}, stall_limit_s=300, clock=clock)


def reporting(dog: Watchdog, clock: Clock, quiet_s: float = 0, silent_s: float = 0, open_: int = 4) -> None:
    """Let the driver report, as of now."""
    dog.heard()
    dog.report(open_, quiet_s, [0.0, silent_s])


def told(dog: Watchdog) -> tuple[str | None, bool]:
    found = dog.look()
    return (None, False) if found is None else (str(found), found.over)


def test_a_run_that_goes_on_has_no_trouble(clock: Clock) -> None:
    dog = watchdog(clock)
    for _ in range(100):
        clock.now_s += 0.5
        reporting(dog, clock, quiet_s=14, silent_s=2)
        assert dog.look() is None
    assert dog.quiet_s == 14


def test_a_driver_without_a_sign_is_told_and_ends_the_run(clock: Clock) -> None:
    dog = watchdog(clock)
    reporting(dog, clock)
    clock.now_s += 14.9
    assert dog.look() is None
    clock.now_s += 0.1
    sentence = f"{OWN} has given no sign of life for 15 s"
    assert told(dog) == (f"{sentence}; the run ends after 30 s of it", False)
    clock.now_s += 15
    assert told(dog)[1]


def test_a_start_may_take_longer(clock: Clock) -> None:
    dog = watchdog(clock)
    clock.now_s += 299
    assert told(dog) == (
        f"{OWN} or a worker has been starting for 299 s; the run ends after 300 s of it",
        False,
    )
    clock.now_s += 1
    assert told(dog)[1]


def test_a_silent_worker_is_named(clock: Clock) -> None:
    dog = watchdog(clock)
    reporting(dog, clock, silent_s=16)
    assert told(dog) == ("worker 1 has given no sign of life for 16 s; the run ends after 30 s of it", False)
    reporting(dog, clock, silent_s=30)
    assert told(dog)[1]
    reporting(dog, clock, silent_s=0.2)
    assert dog.look() is None


def test_open_requests_without_an_answer_end_the_run_after_the_stall_limit(clock: Clock) -> None:
    dog = watchdog(clock)
    reporting(dog, clock, quiet_s=20, open_=414)
    assert told(dog) == (
        "no answer to any of 414 open requests for 20 s; the run ends after 300 s (client.stall_limit_s) of "
        "it",
        False,
    )
    reporting(dog, clock, quiet_s=299.5, open_=414)
    clock.now_s += 0.5
    assert told(dog)[1]


def test_answers_that_take_long_are_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    dog = watchdog(clock)
    with caplog.at_level(logging.INFO, "weighbridge"):
        for _ in range(5):  # one request after another, of 20 s each
            for half in range(41):
                clock.now_s += 0.5
                reporting(dog, clock, quiet_s=half / 2, open_=1)
                dog.look()
    assert [entry.levelname for entry in caplog.records] == ["WARNING", "INFO"]


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """A process and its child, which do nothing."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); child.wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    yield parent.pid, child
    for pid in (child, parent.pid):
        os.kill(pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()


def stopped(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while not is_stopped(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stopped_process_explains_all_silence(clock: Clock, family: tuple[int, int]) -> None:
    dog = watchdog(clock, {family[0]: OWN, family[1]: "worker 0"})
    reporting(dog, clock)
    assert dog.look() is None
    stopped(family[1])
    sentence = f"worker 0 (process {family[1]}) has been stopped by a signal, such as SIGSTOP, for"
    assert told(dog) == (f"{sentence} 0 s; the run ends after 30 s of it", False)
    clock.now_s += 29
    assert told(dog) == (f"{sentence} 29 s; the run ends after 30 s of it", False)
    os.kill(family[1], signal.SIGCONT)
    while is_stopped(family[1]):
        time.sleep(0.01)
    reporting(dog, clock)
    assert dog.look() is None


def test_a_server_whose_engine_is_stopped_is_told_at_once(
    family: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopped_servers, "_LOOK_EVERY_S", 0)
    seen: list[SampleCounts] = []
    observe = StoppedServers([family[0]]).beside(
        seen.append, lambda counts: "enough" if counts.failed else None
    )
    assert observe(SampleCounts(5, 1, 0)) is None
    assert seen[-1].trouble is None
    stopped(family[1])
    assert observe(SampleCounts(5, 1, 0)) is None
    assert seen[-1].trouble is not None
    assert seen[-1].trouble.startswith(f"the server (process {family[1]}) has been stopped by a signal")
    assert observe(SampleCounts(5, 1, 1)) == "enough"
    monkeypatch.setattr("weighbridge.client.liveness.ENDED_AFTER_S", 0)
    assert str(observe(SampleCounts(5, 1, 0))).startswith("the server (process")


def test_servers_of_the_user_are_not_looked_at() -> None:
    assert StoppedServers([]).look() is None
