"""The nodes of the Slurm allocation that this process runs in, and how to start a program on one of them."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

from weighbridge.core.errors import SetupError
from weighbridge.serving import listeners, ports

_TIMEOUT_S = 60
# These tell srun its allocation. All other variables of Slurm describe the step that this process belongs to,
# and srun would take them for options of the new step.
_IDENTITY = ("SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CLUSTER_NAME", "SLURM_CONF")


@dataclass(frozen=True)
class Node:
    """One node: its name in Slurm, and the address at which Slurm reaches it."""

    name: str
    address: str

    @property
    def launcher(self) -> tuple[str, ...]:
        """Return the beginning of a command line that runs on this node, beside what runs there already.

        A step has all of the job's GPUs and memory on the node, unless it asks for less.
        """
        return (
            *("srun", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={self.name}", "--mem=0"),
            *("--cpu-bind=none", "--kill-on-bad-exit=1", "--unbuffered", "--export=ALL"),
        )

    def free_port(self) -> int:
        """Return a port of the node on which nothing listens."""
        return int(self._run(ports.__file__).split()[-1])

    def stranger_at(self, address: str, port: int, job: str) -> str | None:
        """Return what listens at an address and port of the node without belonging to a job; None: nothing.

        Raises:
            LookupError: it cannot be seen.
            SetupError: Slurm does not run the check.
        """
        *_, answer = self._run(listeners.__file__, address, str(port), job).strip().splitlines()
        if answer == listeners.UNSEEN:
            raise LookupError(f"node {self.name} does not show who listens at {address}:{port}")
        return None if answer == listeners.OURS else f"{answer} on node {self.name}"

    def _run(self, *program: str) -> str:
        """Run one of our programs on the node; return what it prints."""
        return _output_of([*self.launcher, sys.executable, "-P", *program])


def nodes_of_job() -> tuple[Node, ...]:
    """Return the allocation's nodes.

    Raises:
        SetupError: this process is not in a Slurm job, or Slurm does not answer.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        raise SetupError(
            "server.launcher is 'srun', and this is not a Slurm job (SLURM_JOB_ID is not set); run with "
            "--profile slurm, or set server.launcher to 'local'."
        )
    names = _output_of(["squeue", "--noheader", f"--jobs={job}", "--format=%N"]).strip()
    nodes = _output_of(["scontrol", "--oneliner", "show", "node", names])
    return tuple(
        Node(*found) for found in re.findall(r"^NodeName=(\S+) .*?\bNodeAddr=(\S+)", nodes, re.MULTILINE)
    )


def step_environment() -> dict[str, str]:
    """Return the environment without the variables that describe this process's own step."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _IDENTITY or not name.startswith(("SLURM_", "SRUN_", "SBATCH_"))
    }


def _output_of(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=step_environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(
            f"'{command[0]}' does not work here ({error}); server.launcher needs Slurm."
        ) from None
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        raise SetupError(f"'{' '.join(command[:4])}' fails: {reason or f'exit code {done.returncode}'}.")
    return done.stdout
