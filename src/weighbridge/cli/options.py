"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RoundFile = Annotated[
    str,
    typer.Option("--round", metavar="ROUND", help="The round: its name, such as v6.0, or its file."),
]
SettingsJson = Annotated[
    str,
    typer.Option("--settings", metavar="JSON", help="Sections of the configuration, such as server, client."),
]
ServerJson = Annotated[
    str | None,
    typer.Option("--server", metavar="JSON", help="The section 'server', over what --settings gives of it."),
]
ClientJson = Annotated[
    str | None,
    typer.Option("--client", metavar="JSON", help="The section 'client', over what --settings gives of it."),
]
Replaced = Annotated[
    Path | None,
    typer.Option(help="Folder to move an earlier result to; default: it is overwritten."),
]
PromptFile = Annotated[
    Path | None, typer.Option("--prompt", help="The prompt's file, where the benchmark has one.")
]
ModelProof = Annotated[Path, typer.Option("--model", help="Proof of the verified model, from 'fetch'.")]
Store = Annotated[Path, typer.Option("--store", help="Folder of the request store, from 'build-requests'.")]
Program = Annotated[
    Path | None,
    typer.Option("--program", help="What 'find-server' found; default: as the settings say."),
]
