"""A Slurm cluster for these tests, installed and started where that is possible."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_slurm import PACKAGES, PROGRAMS, SYSTEM_CONFIGURATION, Slurm, running_slurm

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if os.geteuid() != 0:
        pytest.skip("a Slurm of our own needs root")
    if SYSTEM_CONFIGURATION.exists():
        pytest.skip(f"this machine belongs to a Slurm cluster ({SYSTEM_CONFIGURATION})")
    if " " in sys.executable:
        pytest.skip(f"Snakemake submits no job whose interpreter has a blank in its path ({sys.executable})")
    os.environ["PATH"] += ":/usr/sbin"
    if any(shutil.which(name) is None for name in PROGRAMS):
        done = subprocess.run([ROOT / ".ci" / "apt-install", *PACKAGES], check=False)
        if done.returncode != 0:
            pytest.skip(f"the packages {', '.join(PACKAGES)} cannot be installed here")
    with running_slurm(tmp_path_factory.mktemp("cluster") / "slurm") as cluster:
        yield cluster
