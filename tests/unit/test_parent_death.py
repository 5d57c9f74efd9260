"""A process that asked for it dies with its parent, also when it is stopped."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil

# The parent starts a child that asks to die with it, and tells the child's number once the child has asked.
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""
CHILD = """
import os, time
from weighbridge.core.parent_death import die_with_parent
die_with_parent(os.getppid())
print("ready", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def family(child: str) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Start a parent and its child; both are gone afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        try:
            yield parent, process
        finally:
            parent.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def gone(process: psutil.Process) -> bool:
    """Return whether a process ends within 5 seconds; a zombie that nobody waits for has ended."""
    try:
        process.wait(5)
    except psutil.TimeoutExpired:
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_a_stopped_child_dies_with_a_parent_that_is_killed() -> None:
    with family(CHILD) as (parent, child):
        child.send_signal(signal.SIGSTOP)
        parent.kill()
        parent.wait(10)
        assert gone(child)


def test_a_child_whose_parent_was_gone_before_it_asked_ends_itself() -> None:
    code = f"from weighbridge.core.parent_death import die_with_parent; die_with_parent({os.getpid() + 1})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr == f"the process {os.getpid() + 1}, which started this one, is gone.\n"
