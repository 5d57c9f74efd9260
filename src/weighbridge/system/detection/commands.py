"""Asking the kernel's small files and the system's tools, none of which need be there."""

import os
import subprocess
from pathlib import Path

_TIMEOUT_S = 1.5


def text_of(path: Path) -> str:
    """Read one of the kernel's small files; empty where it is missing or refuses to be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def output_of(*command: str) -> str:
    """Run a tool, in English; empty where it is missing, fails or takes too long."""
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout if answer.returncode == 0 else ""
