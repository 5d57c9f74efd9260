"""Read the kernel's small files and run the system's tools; either may be missing on a machine."""

import os
import subprocess
from pathlib import Path

Fields = dict[str, str]
"""Fields of a system description, by name."""

_TIMEOUT_S = 1.5


def text_of(path: Path) -> str:
    """Return the text of one of the kernel's small files; empty where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def output_of(*command: str) -> str:
    """Return what a tool prints in English; empty where it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
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
    return done.stdout if done.returncode == 0 else ""
