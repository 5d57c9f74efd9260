"""Options that several commands share."""

from typing import Annotated

import typer

RoundFile = Annotated[
    str,
    typer.Option("--round", metavar="ROUND", help="The round: its name, such as v6.0, or its file."),
]
ServerJson = Annotated[
    str, typer.Option("--server", metavar="JSON", help="The configuration's section 'server'.")
]
