"""Run a tool of the official reference, from a checkout that stays as it was proven."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def run_reference_tool(
    arguments: Sequence[str | Path], folder: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in a folder, and return what came of it, whatever its exit code.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it did not end in time.
    """
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
        # The checkout was proven file by file; bytecode files would change it.
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
