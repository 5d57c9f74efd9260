"""Examine whether the environment of the official client is here, for the doctor."""

from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.endpoints.client_packages import ClientPackages, environment_file
from weighbridge.system.machine_check import MachineCheck, MachineUse


def examine_client(round_: Round, folder: Path) -> MachineCheck:
    """Return whether a project has the environment of its round's official client, as it is pinned."""
    environment = folder / f".venv-{round_.client}"
    remedy = f"run `make setup-{round_.client}`: 0.7 GB, and it looks for a Python that is new enough"
    found, missing = f"no {environment.name}", remedy
    packages, pinned = ClientPackages.of_environment(environment), environment_file(round_, folder)
    if packages is not None and pinned.is_file():
        first, *more = [*packages.differences(pinned), ""]
        python = "Python {}.{}".format(*packages.python)
        found = f"{python} in {environment.name}"
        found, missing = (f"{found}: {first}", remedy) if more else (f"{found}, with the pinned packages", "")
    return MachineCheck.of("official client", found, (MachineUse.BENCHMARK,), missing=missing or None)
