"""Runs snakemake as a user on a submit host does: the shipped profile, a run directory of the test's own."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# Its name is what a job recognises a Snakemake above it by.
SNAKEMAKE = Path(__file__).parent / "impatient" / "snakemake"
# Without a database only squeue can tell.
_IMPATIENT = {"--slurm-status-command": "squeue", "--latency-wait": "10"}
# 42 answers a second: the 512 samples take 12 s, and the demo's minimum is 10.
SIMULATED: dict[str, object] = {
    "server": {
        "executable": str(ROOT / "tests" / "cluster" / "vllm"),
        "golden": None,
        "args": ["--round=demo", '--behaviour={"servers":8,"mean_s":0.19}'],
        "warmup_requests": 2,
    },
    "scenarios": {"offline": {"target_qps": 40}, "server": {"target_qps": 35}},
}


@dataclass
class SubmitHost:
    """A run directory, and the settings over the demo's.

    Attributes:
        directory: The run directory.
        changes: The configuration, over the demo's; with none it is the demo on the real vLLM.
        environment: Over this process's environment.
        python: The interpreter of Snakemake and its jobs.
    """

    directory: Path
    changes: dict[str, object] = field(default_factory=lambda: SIMULATED)
    environment: dict[str, str] = field(default_factory=dict)
    python: Path = Path(sys.executable)

    def command(self, *arguments: str, profile: str | None = "slurm") -> list[str]:
        """Write a command line: target first, then options; without a profile, for this machine."""
        overlay = self.directory.parent / f"{self.directory.name}.yaml"
        overlay.write_text(yaml.safe_dump(self.changes))
        command = [str(self.python), str(SNAKEMAKE), *arguments]
        command += ["--configfile", "demo/config.yaml", str(overlay), "--directory", str(self.directory)]
        if profile is None:
            return command
        return [*command, "--profile", profile, *(word for option in _IMPATIENT.items() for word in option)]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start snakemake in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=ROOT,
            env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"} | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run snakemake to its end; return its exit code and all that it said."""
        with self.start(*arguments) as process:
            text, _ = process.communicate(timeout=840)
        return process.returncode, text
