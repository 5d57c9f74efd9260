"""The command that writes a sweep in another tool's form: export."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ExportForm(StrEnum):
    """The forms a sweep is exported to."""

    VLLM = "vllm"
    LLMD = "llm-d"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(export)


def export(
    sweep: Annotated[Path, typer.Argument(help="Folder of a finished sweep.")],
    to: Annotated[
        ExportForm,
        typer.Option(help="vllm: as `vllm bench serve` writes; llm-d: Benchmark Report 0.2, one file a run."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
) -> None:
    """Write the runs of a sweep in another tool's form.

    `vllm bench sweep plot` and `plot_pareto` read the first, tools of llm-d the second. The definitions stay
    ours.
    """
    from weighbridge.core.errors import InputError
    from weighbridge.report.export_llmd import export_llmd
    from weighbridge.report.export_vllm import export_vllm

    files = (export_vllm if to is ExportForm.VLLM else export_llmd)(sweep, out)
    if not files:
        raise InputError(f"{sweep}: has no finished run.")
    typer.echo(f"{len(files)} files in {out}")
