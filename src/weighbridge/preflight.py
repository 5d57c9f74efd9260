"""The cheap checks that come before anything expensive: downloads, encoding, GPU hours."""

import importlib.metadata
import logging
import re
import subprocess

from weighbridge.config import ServerSettings
from weighbridge.errors import SetupError
from weighbridge.hardware import visible_accelerators
from weighbridge.load.seeds import carried_seeds
from weighbridge.models import Model
from weighbridge.rounds import Round
from weighbridge.serving import check_port, missing_library, program

log = logging.getLogger(__name__)

_VERSION_TIMEOUT_S = 300  # a first start compiles bytecode, on a network file system too


class Preflight(Model):
    """What was found ready."""

    loadgen_version: str
    accelerators: tuple[str, ...]


class ServerProgram(Model):
    """The server's program: its path, or its name in a container; nulls when the user runs the servers."""

    executable: str | None
    version: str | None


def check(round_: Round, settings: ServerSettings) -> Preflight:
    """Look at everything a run needs that can be seen in seconds.

    Raises:
        SetupError: the first thing that is missing, and how to mend it.
    """
    loadgen_version = check_loadgen(round_)
    if settings.endpoints:
        return Preflight(loadgen_version=loadgen_version, accelerators=())
    if settings.port is not None:
        check_port(settings.port)
    return Preflight(loadgen_version=loadgen_version, accelerators=check_accelerators(settings.gpus))


def find_server(round_: Round, settings: ServerSettings) -> ServerProgram:
    """Find the server's program and ask for its version, which loads its libraries on the way.

    Raises:
        SetupError: it is not there, or does not run.
    """
    if settings.endpoints:
        return ServerProgram(executable=None, version=None)
    launcher, executable = program(settings)
    version = _version((*launcher, executable))
    if round_.vllm_version not in version:
        log.warning(
            "the server's version is %s; the round's reference was made with vLLM %s",
            version,
            round_.vllm_version,
        )
    return ServerProgram(executable=executable, version=version)


def check_loadgen(round_: Round) -> str:
    """Make sure that the installed LoadGen is one of the round's, by the seeds it will really use.

    Raises:
        SetupError: it has other seeds compiled in, or is another release.
    """
    version = importlib.metadata.version("mlcommons-loadgen")
    carried = carried_seeds(round_.loadgen.model)
    if version not in round_.loadgen.versions or carried != round_.loadgen.seeds:
        raise SetupError(
            f"mlcommons-loadgen {version} does not carry the seeds of round {round_.name}; install "
            f"{round_.loadgen.versions[-1]} (make setup does for v6.0, make setup-v6.1 for v6.1)."
        )
    return version


def check_accelerators(wanted: int) -> tuple[str, ...]:
    """Make sure that as many GPUs are visible as the settings ask for.

    Raises:
        SetupError: there are fewer; the sentence points to the demo, which needs none.
    """
    found = tuple(device.name for device in visible_accelerators())
    if len(found) < wanted:
        raise SetupError(
            f"server.gpus asks for {wanted} GPUs and this machine shows {len(found) or 'none'}; run on a "
            "machine that has them, lower server.gpus, or see all of it work without a GPU: "
            "snakemake --profile profiles/demo submission."
        )
    return found


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
