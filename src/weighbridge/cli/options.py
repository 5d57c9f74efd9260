"""Options that several commands share."""

from typing import Annotated

import typer

RoundFile = Annotated[
    str,
    typer.Option("--round", metavar="FILE", help="The round's constants, such as workflow/rounds/v6.0.yaml."),
]
ServerJson = Annotated[
    str, typer.Option("--server", metavar="JSON", help="The configuration's section 'server'.")
]
