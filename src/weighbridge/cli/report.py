"""The command that shows a run directory to a person: report."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this stage's commands."""
    app.command()(report)


def report(
    results: Annotated[Path, typer.Option(help="Folder of the runs, scores and verdicts.")] = Path("results"),
    output: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("results/report.html"),
    figures: Annotated[
        Path | None,
        typer.Option(help="Also write every figure as PNG, in this folder; earlier ones there go."),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Proof of the verified dataset, from 'fetch': adds scores by level, and examples."),
    ] = None,
    prompt: Annotated[Path | None, typer.Option(help="The prompt's file, which goes with --dataset.")] = None,
    round_file: Annotated[
        str | None,
        typer.Option(
            "--round",
            metavar="ROUND",
            help="The round: its name or file; default: the one that the results name.",
        ),
    ] = None,
) -> None:
    """Show a run directory as one HTML page: verdicts, rates, pictures, accuracy, peak search, provenance.

    The page needs nothing beside it and opens offline. Of a part that is not there it says what would fill
    it; runs that failed their gates are shown like others.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.report import write_report

    write_report(
        results,
        output,
        round_=load_round(round_file) if round_file else None,
        dataset=Proof.read(dataset).folder if dataset else None,
        prompt=prompt,
        figures=figures,
    )
