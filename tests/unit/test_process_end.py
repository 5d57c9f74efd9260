"""A descriptor shows the end of a process, also where Python or the kernel has no pidfd_open."""

import errno
import os
import select
import subprocess
import sys

import pytest

from weighbridge.core import process_end
from weighbridge.core.process_end import open_process_end


@pytest.fixture(params=["python's", "the kernel's", "refused", "forbidden"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the system call from Python, then from the kernel."""
    if request.param == "python's":
        return
    monkeypatch.delattr(os, "pidfd_open")
    if request.param != "the kernel's":
        number = errno.ENOSYS if request.param == "refused" else errno.EPERM

        def refuse(_: int) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(process_end, "_pidfd_open", refuse)


def ended(descriptor: int, timeout_s: float) -> bool:
    return bool(select.select([descriptor], [], [], timeout_s)[0])


@pytest.mark.usefixtures("way")
def test_a_process_that_ends_is_seen_before_anyone_waits_for_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        descriptor = open_process_end(process.pid)
        assert not os.get_inheritable(descriptor)
        assert not ended(descriptor, 0.3)
        process.kill()
        assert ended(descriptor, 10)
        os.close(descriptor)


@pytest.mark.usefixtures("way")
def test_a_process_that_is_gone_is_told() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(ProcessLookupError):
        open_process_end(process.pid)
