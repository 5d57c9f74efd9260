"""The command of the simulated model server."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import RoundFile


def register(app: typer.Typer) -> None:
    """Add this stage's command."""
    app.command()(simulate)


def simulate(
    round_file: RoundFile,
    store: Annotated[Path, typer.Option(help="Folder of the request store that will be sent.")],
    dataset: Annotated[Path, typer.Option(help="Proof of the dataset that holds the answers.")],
    prompt: Annotated[Path, typer.Option(help="The prompt's file.")],
    behaviour: Annotated[
        str,
        typer.Option(
            metavar="JSON",
            help="servers, distribution (constant, exponential, lognormal), mean_s, right, failures, seed.",
        ),
    ] = "{}",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
) -> None:
    """Serve the dataset's answers as an OpenAI-compatible server of known speed, until Ctrl-C."""
    from weighbridge.artifacts.proof import Proof
    from weighbridge.rounds import load_round
    from weighbridge.simulate.answers import answers_from_dataset
    from weighbridge.simulate.model import Behaviour
    from weighbridge.simulate.server import serve

    answers = answers_from_dataset(
        store=store,
        dataset=Proof.read(dataset).folder,
        prompt=prompt,
        round_=load_round(round_file),
    )
    serve(
        Behaviour.parse_json(behaviour, "--behaviour"),
        answers,
        host=host,
        port=port,
        ready=lambda url: typer.echo(url),
    )
