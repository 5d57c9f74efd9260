"""Print what a command found: as a table for people, or as JSON alone for programs."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from weighbridge.core.models import Model

if TYPE_CHECKING:
    from rich.console import RenderableType


def print_found(
    found: Model, render: "Callable[[], RenderableType]", *, as_json: bool, soft_wrap: bool = False
) -> None:
    """Print a finding.

    Args:
        found: What `--json` prints.
        render: Makes the table.
        as_json: Print JSON, and nothing else on stdout.
        soft_wrap: Leave the folding of long lines to the terminal.
    """
    if as_json:
        typer.echo(found.model_dump_json(indent=2, by_alias=True))
        return
    from rich.console import Console

    Console().print(render(), soft_wrap=soft_wrap, crop=False)
