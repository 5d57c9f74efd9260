"""The command that writes the report page: report."""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import FurtherProofs, PromptFile, TokenizerProof, files_by_name


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(report)


def report(
    results: Annotated[Path, typer.Option(help="Folder of the runs, scores and verdicts.")] = Path("results"),
    output: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("results/report.html"),
    figures: Annotated[
        Path | None,
        typer.Option(help="Also write every figure as PNG into this folder; existing PNGs are deleted."),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Proof file of the dataset, from 'fetch'; adds the error analysis."),
    ] = None,
    further_dataset: FurtherProofs = None,
    prompt: PromptFile = None,
    model: TokenizerProof = None,
    round_file: Annotated[
        str | None,
        typer.Option(
            "--round",
            metavar="ROUND",
            help="Round: its name or file; default: the round of the results.",
        ),
    ] = None,
) -> None:
    """Write a run directory as one self-contained HTML page.

    The page shows verdicts, rates, figures, accuracy, peak search and provenance, and needs no network. Runs
    that failed their gates are shown too. A missing part is named with the command that creates it.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.report import write_report

    write_report(
        results,
        output,
        round_=load_round(round_file) if round_file else None,
        dataset=Proof.read(dataset).folder if dataset else None,
        further_datasets={
            name: Proof.read(path).folder
            for name, path in files_by_name("--further-dataset", further_dataset).items()
        },
        prompt=prompt,
        model=Proof.read(model).folder if model else None,
        figures=figures,
    )
