"""Drives the Snakefile as a user does: as a command, in a run directory of the test's own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from planner import planner

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    text: str


@dataclass(frozen=True)
class Workflow:
    """The workflow on a configuration, such as that of the demo's folder, with a test's changes over it."""

    root: Path
    directory: Path
    base: str = "demo"

    def __call__(self, *arguments: str, **changes: object) -> Answer:
        """Run snakemake; `changes` are sections of the configuration, laid over the base's."""
        command = self.command(*arguments, **changes)
        if "-n" in arguments:
            return Answer(*planner().plan(command, self.root, self.environment))
        done = subprocess.run(
            command,
            cwd=self.root,
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )
        return Answer(done.returncode, done.stdout + done.stderr)

    def command(self, *arguments: str, **changes: object) -> list[str]:
        """Return the command line of snakemake, and write the changes that it names."""
        overlay = self.directory.parent / "changes.yaml"
        # Not among the checkout's own; run directories beside each other share theirs.
        requests = changes.get("requests", {})
        if isinstance(requests, dict):
            requests = {"cache": str(self.directory.parent / "stores")} | requests
        overlay.write_text(yaml.safe_dump(changes | {"requests": requests}, sort_keys=False))
        command = [str(BIN / "snakemake"), "--snakefile", str(self.root / "Snakefile"), "--cores", "2"]
        base = self.root / self.base
        command += ["--configfile", str(base / "config.yaml" if base.is_dir() else base), str(overlay)]
        return [*command, "--directory", str(self.directory), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the command, with the root's own package, which may be a copy."""
        return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(self.root / "src")}


def run_weighbridge(root: Path, *arguments: str) -> Answer:
    """Run the command line itself."""
    done = subprocess.run(
        [str(BIN / "weighbridge"), *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return Answer(done.returncode, done.stdout + done.stderr)
