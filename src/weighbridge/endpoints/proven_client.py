"""The official client of a run as it is proven: its checkout, its packages, and the rows that it reads."""

import importlib.metadata
import os
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from weighbridge.artifacts.checked_out import CheckedOut
from weighbridge.artifacts.proof import Proof
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.core.errors import InputError, SetupError
from weighbridge.endpoints.client_checkout import checkout_of_round
from weighbridge.endpoints.client_environment import client_environment
from weighbridge.endpoints.client_packages import normal_name
from weighbridge.endpoints.dataset_rows import proven_rows
from weighbridge.records.client_rows import ClientRows

CLIENT_MODULE = "inference_endpoint.main"
"""Its program, which runs from the checkout."""
_IMPORT_LIMIT_S = 600.0  # of a cold, shared file system


@dataclass(frozen=True)
class ProvenClient:
    """The client of a run, and the rows that it reads.

    Attributes:
        proof: Of its checkout.
        rows: Proof of the rows, whose folder lies beside it.
    """

    proof: Proof
    rows: Path

    def checked_out(self, round_: Round) -> CheckedOut:
        """Return the checkout as it is now; otherwise as `checkout_of_round`."""
        return checkout_of_round(self.proof, round_)

    def proven_rows(self, round_: Round, scenario: ScenarioRules) -> ClientRows:
        """Return the rows, which are proven to be those that a scenario needs.

        Args:
            round_: The round as it holds for the scenario.
            scenario: The scenario.

        Raises:
            InputError: they are others, or were changed.
        """
        rows, drive = proven_rows(self.rows), scenario.endpoints
        assert drive is not None
        found = (rows.rows, rows.preset, rows.client_commit)
        wanted = (round_.samples, drive.dataset, self.proof.revision)
        if found != wanted:
            has, needs = ("{} rows of {} by client {}".format(*each) for each in (found, wanted))
            raise InputError(
                f"{self.rows}: has {has}, but {scenario.name} needs {needs}; delete it, so that it is made "
                "again."
            )
        return rows


def check_import(tree: Path, folder: Path, round_: Round) -> None:
    """Check that this interpreter has the client's packages, before a server is started for it.

    Args:
        tree: Top of the client's checkout.
        folder: A folder to run in.
        round_: The round, which names the environment.

    Raises:
        SetupError: it does not start.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {CLIENT_MODULE}"],
            env=client_environment(tree, folder, os.environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_IMPORT_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SetupError(
            f"{tree}: the client has not started with {sys.executable} in {_IMPORT_LIMIT_S:g} s; repeat on a "
            "faster or quieter disk."
        ) from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1].rstrip(".")
        raise SetupError(
            f"{tree}: the client does not start with {sys.executable} ({said}); use the environment "
            f"client-{round_.client}, or make it again."
        )


def packages_sha256() -> str:
    """Hash the list of installed packages, as sorted lines of NAME==VERSION."""
    found = {
        f"{normal_name(each.metadata['Name'])}=={each.version}"
        for each in importlib.metadata.distributions()
        if each.metadata["Name"]
    }
    return sha256("".join(f"{line}\n" for line in sorted(found)).encode()).hexdigest()
