"""The model server's program: where it is, and which version it prints.

Runs in the server's own environment, so it imports nothing that only the client has.
"""

import logging
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Self

from weighbridge.config.fingerprint import project_root
from weighbridge.config.round import Round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import SetupError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model
from weighbridge.serving.adapter import ServerAdapter
from weighbridge.serving.installed_adapters import adapter_of
from weighbridge.serving.server_environment import inherited_by_server

log = logging.getLogger(__name__)

_CONTAINER_PROGRAM = "apptainer"
_VERSION_TIMEOUT_S = 300  # a first start compiles bytecode, on a network file system too
_MISSING_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object")


class ServerProgram(Model):
    """The server's program: its path, or its name in a container; nulls when the user runs the servers."""

    executable: str | None
    version: str | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file that `write` wrote; a relative path to the program starts at the project's root.

        Raises:
            InputError: the file is missing, is no JSON, or holds a wrong value.
        """
        found = super().read(path)
        if found.executable is None or "/" not in found.executable:
            return found
        return found.model_copy(update={"executable": str(project_root().resolve() / found.executable)})

    def write(self, path: Path) -> None:
        """Write what was found; a program inside the project by its path from there, so that it may move.

        Raises:
            OSError: the file cannot be written.
        """
        executable = self.executable
        if executable is not None and Path(executable).is_relative_to(project_root().resolve()):
            executable = str(Path(executable).relative_to(project_root().resolve()))
        data = self.model_copy(update={"executable": executable})
        write_atomic(path, data.model_dump_json(indent=2) + "\n")


def find_server(round_: Round, settings: ServerSettings) -> ServerProgram:
    """Find the server's program and read its version, which loads its libraries on the way.

    Raises:
        InputError: there is no adapter of the settings' name.
        SetupError: the program does not exist, or does not run.
    """
    if settings.endpoints:
        return ServerProgram(executable=None, version=None)
    launcher, executable = launch_prefix(settings)
    version = _version((*launcher, executable), adapter_of(settings))
    if round_.vllm_version is not None and round_.vllm_version not in version:
        log.warning(
            "the server is %s %s; the round's reference was made with vLLM %s",
            adapter_of(settings).title,
            version,
            round_.vllm_version,
        )
    return ServerProgram(executable=executable, version=version)


def find_executable(settings: ServerSettings) -> Path:
    """Return the program that starts a server: the server's own, or the one that runs its container.

    Raises:
        InputError: there is no adapter of the settings' name.
        SetupError: the program does not exist, or is not executable.
    """
    name = executable_name(settings) if settings.container is None else _CONTAINER_PROGRAM
    found = shutil.which(name)
    if found is None and settings.container is not None:
        raise SetupError(
            f"server.container needs the program '{name}', which is not here; install it, or remove "
            f"server.container for a {adapter_of(settings).title} of this machine."
        )
    if found is None:
        raise SetupError(
            f"the model server '{name}' is not an executable file here; install it "
            "(make setup builds the demo's), or set server.executable, or server.endpoints for a running one."
        )
    return Path(found)


def executable_name(settings: ServerSettings) -> str:
    """Return the program's name or path: the settings', or else the adapter's.

    Raises:
        InputError, SetupError: there is no adapter of the settings' name, or it cannot be loaded.
    """
    return settings.executable or adapter_of(settings).executable


def launch_prefix(settings: ServerSettings, model: Path | None = None) -> tuple[tuple[str, ...], str]:
    """Return what stands before the server's program (a container), and the program as it is called there.

    Raises:
        InputError: there is no adapter of the settings' name.
        SetupError: the program does not exist.
    """
    executable = str(find_executable(settings))
    if settings.container is None:
        return (), executable
    gpus = ("--nv",) if settings.gpus else ()
    # The model's folder is all that the server needs and that a container does not show by itself.
    folder = ("--bind", f"{model}:{model}:ro") if model else ()
    return (executable, "exec", *gpus, *folder, settings.container), executable_name(settings)


def missing_library(output: str, adapter: ServerAdapter) -> str | None:
    """Return a sentence on the system library that a server's output names as missing; None without one.

    A missing library is the most common failure on a new machine, and hard to see in a traceback.
    """
    found = _MISSING_LIBRARY.search(output)
    if found is None:
        return None
    package = adapter.system_packages.get(found[1])
    remedy = f"apt-get install {package}" if package else "install the package that has it"
    return f"the model server needs the system library {found[1]}, which is not on this machine; {remedy}."


def _version(program: tuple[str, ...], adapter: ServerAdapter) -> str:
    command = (*program, *adapter.version_arguments)
    shown = " ".join(command)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=False,
            env=inherited_by_server(os.environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"'{shown}' does not work ({error}); reinstall the server.") from None
    if sentence := missing_library(done.stdout + done.stderr, adapter):
        raise SetupError(sentence)
    version = adapter.version_of(done.stdout)
    if done.returncode != 0 or version is None:
        end = " ".join(done.stderr.strip().splitlines()[-1:])
        raise SetupError(f"'{shown}' fails ({end}); reinstall the server.")
    return version
