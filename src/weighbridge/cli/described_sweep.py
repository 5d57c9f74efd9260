"""What commands of sweeps are given: the sweep's file or its JSON, its folder, model and questions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from weighbridge.config.sweep_settings import SweepSettings

SweepFile = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="File of the sweep, such as sweeps/NAME.yaml.")
]
SweepJson = Annotated[
    str | None, typer.Option("--settings", metavar="JSON", help="Instead of a file: the sweep as JSON.")
]
SweepOut = Annotated[
    Path | None, typer.Option("--out", help="Folder of the results; default: results/sweeps/NAME.")
]
Questions = Annotated[
    Path | None,
    typer.Option(
        "--dataset",
        help="Proof file of the questions, from 'fetch --kind mmlu'; default: fetched as the file says.",
    ),
]


def described_sweep(file: Path | None, settings: str | None) -> "SweepSettings":
    """Return the sweep that a command is given.

    Raises:
        InputError: it is not given exactly once, or is no sweep.
    """
    from weighbridge.config.fingerprint import project_root
    from weighbridge.config.refused_secrets import refuse_secrets
    from weighbridge.config.sweep_files import read_sweep
    from weighbridge.config.sweep_settings import SweepSettings
    from weighbridge.core.errors import InputError
    from weighbridge.core.models import read_json

    context = {"root": project_root()}
    if file is not None and settings is None:
        return read_sweep(file, context=context)
    if settings is None or file is not None:
        raise InputError("name the file of a sweep, or pass --settings, and not both.")
    data = read_json(settings, "--settings")
    refuse_secrets(data, "--settings")
    return SweepSettings.parse(data, "--settings", context=context)


def sweep_folder(settings: "SweepSettings", out: Path | None) -> Path:
    """Return the folder of a sweep's results."""
    return out or Path("results", "sweeps", settings.name)


def model_folder(model: Path | None) -> Path | None:
    """Return the folder of a model, which is named itself or by its proof file."""
    from weighbridge.artifacts.proof import Proof

    return Proof.read(model).folder_with_weights() if model is not None and model.is_file() else model
