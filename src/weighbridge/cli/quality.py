"""The command that asks the questions of model quality: measure-mmlu."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import (
    ClientJson,
    DivisionChoice,
    Lives,
    Program,
    Replaced,
    ServerJson,
    SettingsJson,
    section_option,
    server_of,
)
from weighbridge.config.fingerprint import JobSettings

log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(measure_mmlu)


def measure_mmlu(
    dataset: Annotated[Path, typer.Option(help="Proof file of the questions, from 'fetch --kind mmlu'.")],
    out: Annotated[Path, typer.Option(help="Folder to write, such as results/quality/mmlu.")],
    settings: SettingsJson = "{}",
    server: ServerJson = None,
    client: ClientJson = None,
    mmlu: Annotated[str | None, section_option("mmlu")] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Proof file of the model, from 'fetch'; the chat protocol at endpoints needs none.",
        ),
    ] = None,
    round_file: Annotated[
        str | None,
        typer.Option(
            "--round",
            metavar="ROUND",
            help="Round whose demands on the server apply, so that it is the server of the runs; default: no "
            "demands, and a server of its own.",
        ),
    ] = None,
    program: Program = None,
    replaced: Replaced = None,
    lives: Lives = None,
    division: DivisionChoice = "closed",
) -> None:
    """Ask a served model MMLU's questions.

    Starts the server unless the settings name endpoints; writes answers/SUBJECT.json after each subject, and
    measured.json after all. The same command goes on after the subjects that are finished.
    """
    from weighbridge.quality.harness_start import check_harness

    check_harness()  # before all else: another environment has it
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.monitor.quality_reporter import reporting_quality
    from weighbridge.quality.measure_mmlu import measure_mmlu as measure
    from weighbridge.quality.quality_setup import QualitySetup, measured_settings
    from weighbridge.run.closed_division import fixed_parts
    from weighbridge.run.folder_lock import locked
    from weighbridge.serving.program import ServerProgram

    job = JobSettings.of(settings, server=server, client=client, mmlu=mmlu)
    served = server_of(job)
    if program is not None and (executable := ServerProgram.read(program).executable) is not None:
        served = served.model_copy(update={"executable": executable})
    round_ = load_round(round_file) if round_file else None
    setup = QualitySetup(
        mmlu=job.mmlu,
        server=served,
        client=job.client,
        dataset=Proof.read(dataset),
        model=Proof.read(model) if model else None,
        settings=measured_settings(settings, server=server, client=client, mmlu=mmlu),
        round_=round_,
        must_not_change=fixed_parts(round_, division) if round_ else (),
    )
    with locked(out, "weighbridge measure-mmlu"):
        measured = measure(setup, out, reporting_quality, lives=lives, replaced=replaced)
    counts = measured.counts
    log.info(
        "%s answered %s requests (%d retries); its answers are in %s",
        measured.model_name,
        f"{counts.requests:,}",
        counts.retries,
        out,
    )
