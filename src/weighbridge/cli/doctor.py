"""The command that examines this machine: doctor."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.command_groups import examples
from weighbridge.cli.options import AsJson
from weighbridge.cli.printing import print_found
from weighbridge.system.machine_check import MachineUse


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    calls = (
        "weighbridge doctor",
        "weighbridge doctor --for benchmark",
        "weighbridge doctor --json",
    )
    app.command(epilog=examples(*calls))(doctor)


def doctor(
    config: Annotated[
        list[Path] | None,
        typer.Option(
            help="File laid over config.yaml, whose server, round and copies are looked at; may be repeated."
        ),
    ] = None,
    uses: Annotated[
        list[MachineUse] | None,
        typer.Option(
            "--for",
            metavar="USE",
            help="Exit code 3 if something is missing for bench, demo, benchmark, slurm or mmlu; may be "
            "repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check what this machine can do, and what is missing.

    Looks at Python, packages, servers, GPUs, LoadGen, disk, limits and what else runs here, and asks the
    endpoints of the settings; in seconds, and changes nothing. Exit code 3 if something is missing for
    `--for`, by default `bench`, which needs least.
    """
    from weighbridge.core.errors import SetupError
    from weighbridge.run.diagnosis_table import render_diagnosis
    from weighbridge.run.machine_examination import examine

    found = examine(config or (), Path())
    print_found(found, lambda: render_diagnosis(found), as_json=as_json)
    for use in uses or (MachineUse.BENCH,):
        if missing := found.missing_for(use):
            raise SetupError(f"missing for {use}: {', '.join(missing)}; the remedies stand above.")
