"""The workflow, ready to be driven."""

from pathlib import Path

import pytest
from driver import Workflow


@pytest.fixture
def workflow(root: Path, tmp_path: Path) -> Workflow:
    return Workflow(root, tmp_path / "run")
