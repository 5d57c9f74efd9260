"""The command that asks the systems of a sweep questions: sweep-mmlu; the command sweep asks them too."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.described_sweep import (
    Questions,
    SweepFile,
    SweepJson,
    SweepOut,
    described_sweep,
    model_folder,
    sweep_folder,
)
from weighbridge.config.sweep_settings import SweepSettings

if TYPE_CHECKING:
    from weighbridge.artifacts.proof import Proof
    from weighbridge.quality.sweep_quality import SweepQuality

log = logging.getLogger(__name__)

_QUESTIONS = "questions"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(sweep_mmlu)


def sweep_mmlu(
    file: SweepFile = None,
    settings: SweepJson = None,
    out: SweepOut = None,
    system: Annotated[str | None, typer.Option(help="The system that is asked; default: all.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model of servers that are started, whose tokenizer makes the prompts of endpoints too: its "
            "folder, or its proof file, from 'fetch'."
        ),
    ] = None,
    dataset: Questions = None,
) -> None:
    """Ask the systems of a sweep the questions of MMLU.

    For files with `quality:`. Each system is opened as for a session, and asked once: the same command goes
    on after the subjects that are finished. `sweep` then compares the answers.
    """
    from weighbridge.quality.harness_start import check_harness

    check_harness()  # before all else: another environment has it
    described = described_sweep(file, settings)
    systems = [system] if system else [*described.systems]
    ask(described, sweep_folder(described, out), systems, model=model, dataset=dataset)


def ask_if_possible(
    settings: SweepSettings, folder: Path, *, model: Path | None, dataset: Path | None
) -> None:
    """Ask all systems of a sweep that asks for quality, or log which command does it.

    Args:
        settings: The sweep.
        folder: Its folder.
        model: Folder or proof file of the model.
        dataset: Proof file of the questions; None: they are fetched.

    Raises:
        InputError, SetupError, InvalidRunError: as `ask`.
    """
    from weighbridge.core.errors import SetupError
    from weighbridge.quality.harness_start import check_harness

    if settings.quality is None:
        return
    if not _sweep(settings, folder, model).missing([*settings.systems]):
        return
    try:
        check_harness()
    except SetupError:
        log.warning(
            "the questions of the sweep were not asked: this environment has no lm-evaluation-harness; run "
            "`make setup-quality`, then `.venv-quality/bin/weighbridge sweep-mmlu FILE`, and then this again"
        )
        return
    ask(settings, folder, [*settings.systems], model=model, dataset=dataset)


def ask(
    settings: SweepSettings,
    folder: Path,
    systems: Sequence[str],
    *,
    model: Path | None,
    dataset: Path | None,
) -> None:
    """Ask systems of a sweep what they have not answered yet.

    Raises:
        InputError, SetupError, InvalidRunError: as `ask_system`; or questions or tokenizer are missing.
    """
    from weighbridge.core.errors import InputError
    from weighbridge.monitor.quality_reporter import reporting_quality
    from weighbridge.quality.ask_system import ask_system
    from weighbridge.quality.quality_setup import check_tokenizer
    from weighbridge.sweep.quality_key import questions_of

    sweep = _sweep(settings, folder, model)
    for name in systems:
        if name not in settings.systems:
            raise InputError(
                f"--system: there is no {name!r}; the systems are {', '.join(settings.systems)}."
            )
    missing = sweep.missing(systems)
    for name in systems:
        if name not in missing:
            log.info("system %s: has answered all questions", name)
    if not missing:
        return
    check_tokenizer(questions_of(settings), model)  # before the questions are fetched
    folder.mkdir(parents=True, exist_ok=True)
    questions, proven = _questions(sweep, dataset), _proof(model)
    for name in missing:
        ask_system(sweep, name, dataset=questions, model=proven, observing=reporting_quality)


def _sweep(settings: SweepSettings, folder: Path, model: Path | None) -> "SweepQuality":
    from weighbridge.quality.sweep_quality import SweepQuality

    return SweepQuality(settings, folder, model_folder(model))


def _questions(sweep: "SweepQuality", dataset: Path | None) -> "Proof":
    """Return the proof of the questions; without a file they are fetched into the sweep's folder."""
    from weighbridge.artifacts.folder import ArtifactKind
    from weighbridge.artifacts.proof import Proof
    from weighbridge.artifacts.resolve import resolve
    from weighbridge.quality.made_up_questions import write_made_up_questions
    from weighbridge.quality.questions import read_questions
    from weighbridge.sweep.quality_key import questions_of

    if dataset is not None:
        return Proof.read(dataset)
    into = sweep.folder / _QUESTIONS
    return resolve(
        questions_of(sweep.settings).dataset,
        ArtifactKind.MMLU,
        into,
        into.with_suffix(".json"),
        lambda _, number, place: write_made_up_questions(number, place),
        read_questions,
    )


def _proof(model: Path | None) -> "Proof | None":
    """Return the proof of the model; of a folder, of the files that it has now."""
    from weighbridge.artifacts.folder import ArtifactKind
    from weighbridge.artifacts.proof import Proof
    from weighbridge.artifacts.verify import describe

    if model is None:
        return None
    if model.is_file():
        return Proof.read(model)
    manifest = describe(model)
    return Proof(
        kind=ArtifactKind.MODEL,
        folder=model.resolve(),
        repo=None,
        revision=None,
        manifest_digest=manifest.digest,
        files=manifest.files,
    )
