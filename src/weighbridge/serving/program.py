"""The model server's program: where it is, and which version it says it is.

Runs in the server's own environment, so it imports nothing that only the client has.
"""

import logging
import re
import subprocess

from weighbridge.config.round import Round
from weighbridge.config.settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.core.models import Model
from weighbridge.serving import missing_library, program

log = logging.getLogger(__name__)

_VERSION_TIMEOUT_S = 300  # a first start compiles bytecode, on a network file system too


class ServerProgram(Model):
    """The server's program: its path, or its name in a container; nulls when the user runs the servers."""

    executable: str | None
    version: str | None


def find_server(round_: Round, settings: ServerSettings) -> ServerProgram:
    """Find the server's program and ask for its version, which loads its libraries on the way.

    Raises:
        SetupError: it is not there, or does not run.
    """
    if settings.endpoints:
        return ServerProgram(executable=None, version=None)
    launcher, executable = program(settings)
    version = _version((*launcher, executable))
    if round_.vllm_version is not None and round_.vllm_version not in version:
        log.warning(
            "the server's version is %s; the round's reference was made with vLLM %s",
            version,
            round_.vllm_version,
        )
    return ServerProgram(executable=executable, version=version)


def _version(command: tuple[str, ...]) -> str:
    spoken = " ".join(command)
    try:
        answer = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"'{spoken} --version' does not work ({error}); reinstall the server.") from None
    library = re.search(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object", answer.stdout + answer.stderr)
    if library:
        raise SetupError(missing_library(library[1]))
    lines = answer.stdout.strip().splitlines()
    if answer.returncode != 0 or not lines:
        end = " ".join(answer.stderr.strip().splitlines()[-1:])
        raise SetupError(f"'{spoken} --version' fails ({end}); reinstall the server.")
    return lines[-1].strip()
