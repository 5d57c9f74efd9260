"""The real official endpoints client, which `make endpoints-check CLIENT=DIR` names, and its environment."""

import os
from pathlib import Path

import pytest

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.resolve import resolve
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.round import Round

ROOT = Path(__file__).parents[2]
VARIABLE = "WEIGHBRIDGE_OFFICIAL_CLIENT"


@pytest.fixture(scope="session")
def official_round() -> Round:
    """The round whose results the client makes."""
    return load_round("v6.1-endpoints")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The checkout of mlcommons/endpoints."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(
            f"{VARIABLE} names no checkout of mlcommons/endpoints; make endpoints-check CLIENT=DIR does"
        )
    return Path(named).resolve()


@pytest.fixture(scope="session")
def client_python(official_round: Round) -> Path:
    """The interpreter of the client's environment."""
    python = ROOT / f".venv-{official_round.client}" / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"there is no {python}; make setup-{official_round.client} makes it")
    return python


@pytest.fixture(scope="session")
def client_proof(checkout: Path, official_round: Round, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """The proof of the client at the round's commit; its file is client.json beside its folder's name."""
    folder = tmp_path_factory.mktemp("official")
    [commit] = official_round.endpoints_rules.commits
    pin = Artifact(repo="mlcommons/endpoints", revision=commit, path=checkout)
    return resolve(pin, ArtifactKind.CLIENT, folder / "client", folder / "client.json")
