"""The command that follows runs: watch."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this stage's command."""
    app.command()(watch)


def watch(
    results: Annotated[
        Path, typer.Argument(help="A run directory, its results, or the folder of one run.")
    ] = Path(),
    once: Annotated[
        bool, typer.Option("--once", help="Print how the runs stand now, and exit; takes up to 5 s.")
    ] = False,
) -> None:
    """Follow runs while they last, from this or another machine that sees their files; Ctrl-C ends it.

    Shows what each run shows where it runs: its phase, how far it is, rates, latencies, the time left.
    A run that has ended says how; one whose process has died is found by its silence. The next run is found
    when it begins.
    """
    import sys

    from rich.console import Console
    from rich.live import Live

    from weighbridge.core.terminal import shows_panels
    from weighbridge.monitor.follow import follow, look_once
    from weighbridge.monitor.view import Lines, idle, picture, sentence

    on_terminal = shows_panels(sys.stdout)
    try:
        if once:
            sights = look_once(results)
            if on_terminal:
                Console().print(picture(sights, results))
            else:
                typer.echo("\n".join(map(sentence, sights)) or idle(sights, results))
        elif on_terminal:
            with Live(console=Console(), auto_refresh=False) as live:
                for sights in follow(results):
                    live.update(picture(sights, results), refresh=True)
        else:
            lines = Lines(results)
            for sights in follow(results):
                for line in lines.of(sights):
                    typer.echo(line)
    except KeyboardInterrupt:
        return
