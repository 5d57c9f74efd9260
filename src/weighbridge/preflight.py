"""The cheap checks that come before anything expensive: downloads, encoding, GPU hours."""

import importlib.metadata

from weighbridge.config import ServerSettings
from weighbridge.errors import SetupError
from weighbridge.hardware import visible_accelerators
from weighbridge.load.seeds import carried_seeds
from weighbridge.models import Model
from weighbridge.rounds import Round
from weighbridge.serving import check_port


class Preflight(Model):
    """What was found ready."""

    loadgen_version: str
    accelerators: tuple[str, ...]


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
