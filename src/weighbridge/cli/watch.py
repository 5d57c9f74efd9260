"""The command that follows runs: watch."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.command_groups import examples


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(epilog=examples("weighbridge watch runs/demo", "weighbridge watch --json"))(watch)


def watch(
    results: Annotated[
        Path, typer.Argument(help="A run directory, its results folder, or the folder of one run.")
    ] = Path(),
    once: Annotated[
        bool, typer.Option("--once", help="Print the current state of the runs and exit; takes up to 5 s.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As --once, in JSON; docs/commands.md names its keys.")
    ] = False,
) -> None:
    """Show the progress of runs until Ctrl-C.

    Reads the runs' files, so it also works on another machine with a shared file system. Shows each run's
    phase, progress, rates, latencies and time left, and how it ended. New runs appear when they begin; a run
    whose process has died is recognised because its file no longer changes.
    """
    import signal
    import sys

    from rich.console import Console
    from rich.live import Live

    from weighbridge.core.interruption import Interruption
    from weighbridge.core.terminal import shows_panels
    from weighbridge.monitor.follow import RunsListing, follow, read_statuses
    from weighbridge.monitor.render import StatusLines, no_active_run, render_overview, status_line

    on_terminal = shows_panels(sys.stdout)
    try:
        if as_json:
            typer.echo(RunsListing.of(read_statuses(results)).model_dump_json(indent=2))
        elif once:
            runs = read_statuses(results)
            if on_terminal:
                Console().print(render_overview(runs, results))
            else:
                typer.echo("\n".join(map(status_line, runs)) or no_active_run(runs, results))
        elif on_terminal:
            with Live(console=Console(), auto_refresh=False) as live:
                for runs in follow(results):
                    live.update(render_overview(runs, results), refresh=True)
        else:
            lines = StatusLines(results)
            for runs in follow(results):
                for line in lines.due(runs):
                    typer.echo(line)
    except Interruption as end:
        if end.number is not signal.SIGINT:  # which is how one ends the watching
            raise
