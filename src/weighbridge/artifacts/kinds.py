"""The kinds of artifact, and what a folder of each kind must hold to be usable at all."""

from enum import StrEnum
from pathlib import Path, PurePosixPath

from weighbridge.artifacts.manifest import files_of
from weighbridge.core.errors import SetupError


class Kind(StrEnum):
    """What an artifact is for."""

    MODEL = "model"
    DATASET = "dataset"
    REFERENCE = "reference"


# For each kind, the file patterns of which at least one file must be there, in words for the error.
_NEEDED = {
    Kind.MODEL: {"config.json": "config.json", "*.safetensors": "weights (*.safetensors)"},
    Kind.DATASET: {"*.parquet": "Parquet files (*.parquet)"},
    Kind.REFERENCE: {"*.py": "Python sources (*.py)"},
}


def check_contents(kind: Kind, folder: Path) -> None:
    """See that a folder can be an artifact of this kind, before any of it is hashed.

    Raises:
        SetupError: the folder is missing, or lacks a file without which it is of no use.
    """
    if not folder.is_dir():
        raise SetupError(
            f"{folder}: the {kind} folder does not exist; correct artifacts.{kind}.path, "
            "or remove it and give repo and revision to have it fetched."
        )
    paths = [PurePosixPath(path) for path in files_of(folder)]
    for pattern, name in _NEEDED[kind].items():
        if not any(path.match(pattern) for path in paths):
            raise SetupError(
                f"{folder}: a {kind} folder without {name}; fetch the {kind} again or correct its path."
            )
