"""Commands that score finished runs: evaluate, verify-compliance."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.options import ModelProof, PromptFile, RoundFile, TokenizerProof

log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(evaluate)
    app.command()(verify_compliance)


def evaluate(
    round_file: RoundFile,
    logs: Annotated[Path, typer.Option(help="Folder of the accuracy run.")],
    dataset: Annotated[Path, typer.Option(help="Proof file of the dataset, from 'fetch'.")],
    out: Annotated[Path, typer.Option(help="Folder for accuracy.txt and accuracy.json.")],
    scenario: Annotated[
        str | None,
        typer.Option(
            help="Scenario of the run, whose metrics and number of samples count; default: the round's."
        ),
    ] = None,
    prompt: PromptFile = None,
    model: TokenizerProof = None,
) -> None:
    """Score an accuracy run.

    Writes accuracy.txt for the official checker, and accuracy.json.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.config.round_of_scenario import round_of_scenario
    from weighbridge.evaluation.evaluate import evaluate as score
    from weighbridge.records.not_made import not_made, write_not_made
    from weighbridge.records.run_record import RUN_RECORD
    from weighbridge.records.score import ACCURACY_JSON, ACCURACY_TEXT

    if (reason := not_made(logs / RUN_RECORD)) is not None:
        log.warning("%s: nothing to score: %s.", logs, reason)
        write_not_made(out, ACCURACY_JSON, (ACCURACY_TEXT,), reason)
        return
    round_ = load_round(round_file)
    score(
        logs=logs,
        dataset=Proof.read(dataset).folder,
        prompt=prompt,
        model=Proof.read(model).folder if model else None,
        round_=round_ if scenario is None else round_of_scenario(round_, scenario),
        output=out,
    )


def verify_compliance(
    round_file: RoundFile,
    scenario: Annotated[str, typer.Option(help="Scenario of the run, such as offline.")],
    logs: Annotated[Path, typer.Option(help="Folder of the compliance run, named as the run.")],
    model: ModelProof,
    reference: Annotated[
        Path | None,
        typer.Option(help="Proof file of the official reference, whose script is run; default: our checks."),
    ] = None,
) -> None:
    """Verify a compliance run as the official script does.

    Writes verify_accuracy.txt into the run's folder, with the script's findings. `gate` makes stricter
    checks of its own.
    """
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.rounds import load_round
    from weighbridge.core.errors import InputError
    from weighbridge.core.files import write_atomic
    from weighbridge.gates.token_consistency import VERIFICATION
    from weighbridge.records.not_made import not_made
    from weighbridge.records.run_record import RUN_RECORD
    from weighbridge.submission.compliance_script import write_verification

    rules = load_round(round_file).scenario(scenario)
    name = logs.resolve().name
    if name not in rules.compliance_runs:
        known = ", ".join(rules.compliance_runs) or "none"
        raise InputError(
            f"{logs}: {scenario} has no compliance run {name}; its compliance runs are: {known}."
        )
    if (reason := not_made(logs / RUN_RECORD)) is not None:
        log.warning("%s: nothing to verify: %s.", logs, reason)
        write_atomic(logs / VERIFICATION, "")
        return
    text = write_verification(
        logs,
        rules,
        rules.compliance_runs[name],
        model=Proof.read(model),
        reference=Proof.read(reference) if reference else None,
    )
    typer.echo(text, nl=False)
