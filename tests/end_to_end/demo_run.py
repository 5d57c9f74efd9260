"""Run a demo's profile as a user does, and find what it left running."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
VLLM = ROOT / ".venv-server" / "bin" / "vllm"


def need_vllm() -> None:
    """Skip the test where vLLM is not installed."""
    if not VLLM.exists():
        pytest.skip("vLLM for CPUs is not installed; make setup does it")


def snakemake(profile: str, directory: Path, *targets: str, overlays: tuple[Path, ...] = ()) -> str:
    """Make targets with a profile in a run directory, and return all that was printed.

    Args:
        profile: Name of its folder.
        directory: The run directory.
        targets: What to make.
        overlays: Configuration files in place of the profile's own; none: the profile's.
    """
    command = [BIN / "snakemake", "--profile", f"profiles/{profile}", "--directory", directory]
    if overlays:
        command += ["--configfile", *overlays]
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, "--", *targets], cwd=ROOT, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def left_running(directory: Path) -> list[int]:
    """Return the processes whose command line names a run directory."""
    return [
        p.pid for p in psutil.process_iter(["cmdline"]) if str(directory) in " ".join(p.info["cmdline"] or [])
    ]
