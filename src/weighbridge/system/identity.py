"""Which code ran, and where: the checkout's revision, the package's hash, the host."""

import hashlib
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import psutil

from weighbridge.records.run_record import Host

_PACKAGE = Path(__file__).parents[1]


@cache
def code_sha256() -> str:
    """Hash the package's source files by name and content."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(_PACKAGE)).encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def git_revision() -> str | None:
    """Name the commit of the checkout that holds the package; None where there is no checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(_PACKAGE), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return answer.stdout.strip() or None


def this_host() -> Host:
    """Describe the machine the client runs on."""
    return Host(
        name=platform.node(),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        platform=platform.platform(),
        python=platform.python_version(),
    )
