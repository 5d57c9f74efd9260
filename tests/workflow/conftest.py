"""The workflow, ready to be driven, and a finished run."""

from pathlib import Path

import pytest
from driver import Workflow
from small_run import SmallRun, simulated_server


@pytest.fixture
def workflow(root: Path, tmp_path: Path) -> Workflow:
    return Workflow(root, tmp_path / "run")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """A finished run; tests that change it do so in a copy."""
    run = SmallRun(tmp_path_factory.mktemp("small") / "run")
    run("resources/requests/manifest.json")
    with simulated_server(run.workflow.directory, run.port, servers=8, mean_s=0.1):
        run("submission")
    return run
