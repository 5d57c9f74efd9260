"""What tests of every kind share."""

import resource
import signal
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from weighbridge.core.interruption import end_on_signals, exit_code

ROOT = Path(__file__).parent.parent

# A busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# nohup and some CI leave these ignored to all that they start; tests expect what programs of a terminal have.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture(autouse=True)
def forgotten_signals() -> Iterator[None]:
    """Forget a signal that a test sent to this process: a program ends for it, and the next test must not."""
    yield
    if exit_code() is not None:
        end_on_signals()()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--costs", type=Path, help="add a line for each test: seconds, seconds of CPU, test")


def _spent_s() -> tuple[float, float]:
    """Return the time, and the CPU time of this process and of all children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return time.monotonic(), own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Write what a test cost with its fixtures: waiting is what its seconds have and its CPU has not."""
    costs: Path | None = item.config.getoption("--costs")
    began = _spent_s()
    result = yield
    if costs is not None:
        wall_s, cpu_s = (now - before for now, before in zip(_spent_s(), began, strict=True))
        with costs.open("a") as file:
            file.write(f"{wall_s:.2f}\t{cpu_s:.2f}\t{item.nodeid}\n")
    return result
