"""Judge results of any origin, and print the verdicts on all their systems."""

from pathlib import Path

import typer
from pydantic import TypeAdapter
from rich.console import Console

from weighbridge.config.round import Round
from weighbridge.core.errors import InvalidRunError
from weighbridge.gates import Inputs, judge_logs, render_systems, render_verdict
from weighbridge.gates.foreign_logs import JudgedLogs


def judge_all(
    logs: Path, round_: Round, inputs: Inputs, *, details: bool, strict: bool, as_json: bool
) -> None:
    """Print the verdicts on all systems whose results lie in a folder.

    Args:
        logs: The folder.
        round_: The rules.
        inputs: What the runs were made from, as far as it is proven.
        details: Print the checks of all systems, not only of INVALID ones.
        strict: Disturbances are failed checks.
        as_json: Print all verdicts as JSON in place of the tables.

    Raises:
        InvalidRunError: one is INVALID.
    """
    judged = judge_logs(logs, round_, inputs, strict=strict)
    several = len(judged.systems) > 1
    if as_json:
        typer.echo(TypeAdapter(JudgedLogs).dump_json(judged, indent=2).decode())
    else:
        _print(judged, several=several, details=details)
    invalid = [
        f"{system} {verdict.title}" if several else verdict.title
        for system, verdicts in judged.systems.items()
        for verdict in verdicts
        if verdict.outcome == "INVALID"
    ]
    if invalid:
        raise InvalidRunError(f"{logs}: {', '.join(invalid)} INVALID; their failed checks show why.")


def _print(judged: JudgedLogs, *, several: bool, details: bool) -> None:
    for system, verdicts in judged.systems.items():
        shown = [each for each in verdicts if details or not several or each.outcome == "INVALID"]
        if several and shown:
            typer.echo(f"System {system}")
        for verdict in shown:
            Console().print(render_verdict(verdict))
    if several:
        console = Console()
        console.print(render_systems(judged, console.width), crop=False)
    else:
        for line in judged.skipped:
            typer.echo(line)
