"""Commands on the time of servers: plan, spent."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import AsJson
from weighbridge.cli.printing import print_found


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(plan)
    app.command()(spent)


def plan(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SNAKEMAKE ARGUMENTS]...",
            help="As of the snakemake command: targets, --profile, others.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a workflow's steps, their time and the GPU hours.

    One line for each step, and the GPU hours in all. Asks Snakemake what is to be done and what is kept, and
    starts nothing. Durations follow from the round's work and the target rates; that of the server's start
    from earlier starts of this run directory.
    """
    from weighbridge.report.planned_jobs import planned_jobs
    from weighbridge.report.run_plan import PlanListing, run_plan
    from weighbridge.report.time_tables import render_plan

    found = run_plan(planned_jobs(arguments or ()))
    print_found(PlanListing.of(found), lambda: render_plan(found), as_json=as_json)


def spent(
    results: Annotated[
        Path, typer.Option(help="Folder of the runs, with the lives of their servers.")
    ] = Path("results"),
    output: Annotated[Path | None, typer.Option(help="Also write the times as JSON.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print where the time of servers, and of their GPUs, went.

    One line each for start, warm-up, measured runs, probes, waiting and stop, with its share of all.
    """
    from weighbridge.core.files import write_atomic
    from weighbridge.report.spent_time import spent_time
    from weighbridge.report.time_tables import render_spent

    found = spent_time(results)
    if output is not None:
        write_atomic(output, found.model_dump_json(indent=2) + "\n")
    print_found(found, lambda: render_spent(found), as_json=as_json)
