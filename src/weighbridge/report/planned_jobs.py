"""What Snakemake would run, asked of Snakemake itself: its dry run, and the settings that it read."""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.settings import PLAN_VARIABLE
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data
from weighbridge.core.snakemake_program import snakemake_program

_JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
_OUTPUT = re.compile(r"^ {4}output: ([^,\n]+)", re.MULTILINE)
_NOTHING = "Nothing to be done"
_LAST_LINES = 12
# Rules whose first output is the record of a run.
_MEASURING = ("benchmark", "official_client")


@dataclass(frozen=True)
class PlannedJobs:
    """What a workflow is going to make.

    Attributes:
        runs: Scenario and name of each run; the official client's accuracy run is part of its performance
            run.
        searched: Scenarios whose peak is searched for.
        asks_mmlu: Whether the questions of MMLU are asked.
        fetched: Kinds of artifacts that are fetched or verified.
        configuration: The configuration, with the profile's overlay.
        root: Where its relative paths start.
        directory: The run directory.
    """

    runs: frozenset[tuple[str, str]]
    searched: frozenset[str]
    asks_mmlu: bool
    fetched: tuple[str, ...]
    configuration: object
    root: Path
    directory: Path


def planned_jobs(arguments: Sequence[str]) -> PlannedJobs:
    """Ask Snakemake for its plan.

    Args:
        arguments: Of the snakemake command: targets, profile and others.

    Raises:
        SetupError: there is no Snakemake.
        InputError: it refuses to plan, or its workflow is not Weighbridge's.
    """
    program = snakemake_program()
    with tempfile.TemporaryDirectory(prefix="weighbridge-plan-") as folder:
        answer = Path(folder) / "settings.json"
        done = subprocess.run(
            [program, "--dry-run", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | {PLAN_VARIABLE: str(answer)},
            check=False,
        )
        if done.returncode:
            last = "\n".join(done.stdout.strip().splitlines()[-_LAST_LINES:])
            raise InputError(f"`snakemake --dry-run` ended with {done.returncode}:\n{last}")
        if not answer.is_file():
            raise InputError(
                "the workflow in this folder is not Weighbridge's; change into the checkout, or pass "
                "--snakefile with its Snakefile."
            )
        said = read_data(answer)
    outputs = first_outputs(done.stdout)
    if not outputs and _NOTHING not in done.stdout:
        raise InputError("Snakemake printed no plan; remove 'quiet' from the profile or the arguments.")
    return PlannedJobs(
        runs=frozenset((path.parts[-3], path.parts[-2]) for rule, path in outputs if rule in _MEASURING),
        searched=frozenset(path.parts[-2] for rule, path in outputs if rule == "search_peak"),
        asks_mmlu=any(rule == "measure_mmlu" for rule, _ in outputs),
        fetched=tuple(sorted({path.stem for rule, path in outputs if rule == "fetch"})),
        configuration=said["configuration"],
        root=Path(said["root"]),
        directory=Path(said["directory"]),
    )


def first_outputs(text: str) -> list[tuple[str, Path]]:
    """Return rule and first output of each job that a dry run prints, each once."""
    found = [(rule, Path(output[1])) for rule, body in _JOB.findall(text) if (output := _OUTPUT.search(body))]
    return list(dict.fromkeys(found))
