"""The nodes of the Slurm allocation that this process runs in, and how to start something on one of them."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

from weighbridge.core.errors import SetupError
from weighbridge.serving import ports

_TIMEOUT_S = 60
# What tells srun which allocation it is in. All other variables of Slurm describe the step that this process
# is itself, and srun would take them for options of the new one.
_IDENTITY = ("SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CLUSTER_NAME", "SLURM_CONF")


@dataclass(frozen=True)
class Node:
    """One node: its name in Slurm, and the address by which Slurm itself reaches it."""

    name: str
    address: str

    @property
    def launcher(self) -> tuple[str, ...]:
        """Write the beginning of a command line that runs on this node, beside what runs there already.

        A step has all of the job's GPUs and memory there, unless it asks for less.
        """
        return (
            *("srun", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={self.name}", "--mem=0"),
            *("--cpu-bind=none", "--kill-on-bad-exit=1", "--unbuffered", "--export=ALL"),
        )

    def free_port(self) -> int:
        """Ask the node for a port that nobody listens on."""
        return int(_ask([*self.launcher, sys.executable, "-P", ports.__file__]).split()[-1])


def nodes_of_job() -> tuple[Node, ...]:
    """List the allocation's nodes.

    Raises:
        SetupError: this is no Slurm job, or Slurm does not answer.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        raise SetupError(
            "server.launcher is 'srun', and this is no job of Slurm (SLURM_JOB_ID is not set); run with "
            "--profile slurm, or set server.launcher to 'local'."
        )
    names = _ask(["squeue", "--noheader", f"--jobs={job}", "--format=%N"]).strip()
    described = _ask(["scontrol", "--oneliner", "show", "node", names])
    return tuple(
        Node(*found) for found in re.findall(r"^NodeName=(\S+) .*?\bNodeAddr=(\S+)", described, re.MULTILINE)
    )


def step_environment() -> dict[str, str]:
    """Copy the environment without what describes this process's own step."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _IDENTITY or not name.startswith(("SLURM_", "SRUN_", "SBATCH_"))
    }


def _ask(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=step_environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(
            f"'{command[0]}' does not work here ({error}); server.launcher needs Slurm."
        ) from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise SetupError(f"'{' '.join(command[:4])}' fails: {said or f'exit code {done.returncode}'}.")
    return done.stdout
