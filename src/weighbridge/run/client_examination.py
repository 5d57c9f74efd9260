"""Examine whether the environment of the official client is here, for the doctor."""

from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.endpoints.client_packages import ClientPackages, environment_file
from weighbridge.system.machine_check import MachineCheck, MachineUse


def examine_client(round_: Round, folder: Path) -> MachineCheck:
    """Return whether a project has the environment of its round's official client, as it is pinned."""
    environment = folder / f".venv-{round_.client}"
    remedy = f"run `make setup-{round_.client}`: 0.7 GB, and it looks for a Python that is new enough"
    packages, pinned = ClientPackages.of_environment(environment), environment_file(round_, folder)
    if packages is None:
        found, lacking = f"no {environment.name}", True
    else:
        wrong = packages.differences(pinned) if pinned.is_file() else [f"no {pinned.name} to compare with"]
        found = "Python {}.{} in {}".format(*packages.python, environment.name)
        found, lacking = (
            f"{found}: {wrong[0]}" if wrong else f"{found}, with the pinned packages",
            bool(wrong),
        )
    return MachineCheck.of(
        "official client", found, (MachineUse.BENCHMARK,), missing=remedy if lacking else None
    )
