"""The program `snakemake` that belongs to this installation."""

import os
import shutil
import sys
from pathlib import Path

from weighbridge.core.errors import SetupError


def snakemake_program() -> str:
    """Return the path of the program beside this Python, or else on PATH.

    Raises:
        SetupError: there is none.
    """
    program = shutil.which("snakemake", path=path_of_programs())
    if program is None:
        raise SetupError(
            "there is no snakemake beside this Python and none on PATH; activate the workflow's environment."
        )
    return program


def path_of_programs() -> str:
    """Return PATH with the folder of this Python first, where rules find `weighbridge`."""
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
