"""The command that makes the official client's rows of a dataset: client-data."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import RoundFile


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(client_data)


def client_data(
    round_file: RoundFile,
    scenario: Annotated[str, typer.Option(help="A scenario that uses the dataset; others share its rows.")],
    client: Annotated[Path, typer.Option(help="Proof file of the official client, from 'fetch'.")],
    dataset: Annotated[Path, typer.Option(help="Proof file of the dataset, from 'fetch'.")],
    output: Annotated[
        Path,
        typer.Option(help="Proof of the rows to write; the rows are in the folder of its name beside it."),
    ],
) -> None:
    """Make the rows that the official endpoints client reads.

    The client's own function makes them of the proven dataset. Runs in the client's environment.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.endpoints.dataset_rows import make_rows

    rows = make_rows(load_round(round_file), scenario, Proof.read(client), Proof.read(dataset), output)
    typer.echo(f"{output}: {rows.rows:,} rows of {rows.preset} (sha256 {rows.sha256})")
