"""The command of the request store."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import RoundFile


def register(app: typer.Typer) -> None:
    """Add this stage's command."""
    app.command()(build_requests)


def build_requests(
    round_file: RoundFile,
    dataset: Annotated[Path, typer.Option(help="Proof of the verified dataset, from 'fetch'.")],
    prompt: Annotated[Path, typer.Option(help="The prompt's file.")],
    requests: Annotated[str, typer.Option(metavar="JSON", help="The configuration's section 'requests'.")],
    model_name: Annotated[str, typer.Option(help="Name under which the model is served.")],
    out: Annotated[Path, typer.Option(help="Folder of the store.")],
    processes: Annotated[int, typer.Option(min=1, help="Encoding processes.")] = 1,
) -> None:
    """Encode every sample's request body, once, into one memory-mapped file."""
    from weighbridge.artifacts.proof import Proof
    from weighbridge.config import RequestSettings, requests_of_round
    from weighbridge.prompt import Prompt
    from weighbridge.requests import build_store
    from weighbridge.rounds import load_round

    round_ = load_round(round_file)
    Prompt.read(prompt).require(round_.prompt, prompt)
    build_store(
        dataset=Proof.read(dataset).folder,
        splits=round_.splits,
        prompt=prompt,
        task=round_.task,
        expected_samples=round_.samples,
        model_name=model_name,
        settings=requests_of_round(RequestSettings.parse_json(requests, "--requests"), round_),
        out=out,
        processes=processes,
    )
