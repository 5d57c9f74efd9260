"""The folder of an artifact: which kinds there are, what each must hold, and what lies there beside it."""

import logging
from collections.abc import Set as AbstractSet
from enum import StrEnum
from pathlib import Path, PurePosixPath

from weighbridge.artifacts.manifest import files_of
from weighbridge.core.errors import SetupError

logger = logging.getLogger(__name__)


class ArtifactKind(StrEnum):
    """What an artifact is for."""

    MODEL = "model"
    DATASET = "dataset"
    REFERENCE = "reference"
    CLIENT = "client"
    MMLU = "mmlu"

    @property
    def setting(self) -> str:
        """Where its settings are, as errors name them."""
        return "quality.mmlu.dataset" if self is ArtifactKind.MMLU else f"artifacts.{self}"

    @property
    def from_git(self) -> bool:
        """Whether it is a program's source, which git fetches and proves."""
        return self in (ArtifactKind.REFERENCE, ArtifactKind.CLIENT)

    @property
    def repo_type(self) -> str:
        """The kind of repository that the hub has it in."""
        return str(ArtifactKind.MODEL if self is ArtifactKind.MODEL else ArtifactKind.DATASET)

    @property
    def files(self) -> tuple[str, ...]:
        """Patterns of the files that it consists of; others of its repository are not fetched."""
        return _MMLU_FILES if self is ArtifactKind.MMLU else ("*",)


WITHOUT_WEIGHTS = (
    "config.json",
    "generation_config.json",
    "*tokenizer*.json",
    "tokenizer.model",
    "*.tiktoken",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "additional_chat_templates/*",
    "*processor_config.json",
)
"""Patterns of a model's files that prompts, token counts and gates are made from; no weights among them."""

# Of all subjects at once; cais/mmlu has each subject's files too.
_MMLU_FILES = ("all/dev-*.parquet", "all/test-*.parquet")
# For each kind, what must be there, as errors name it, and the patterns of which a file must match one.
_REQUIRED: dict[ArtifactKind, dict[str, tuple[str, ...]]] = {
    ArtifactKind.MODEL: {"config.json": ("config.json",), "weights (*.safetensors)": ("*.safetensors",)},
    ArtifactKind.DATASET: {"Parquet or JSON files (*.parquet, *.json)": ("*.parquet", "*.json")},
    ArtifactKind.REFERENCE: {"Python sources (*.py)": ("*.py",)},
    ArtifactKind.CLIENT: {"the client's program (main.py)": ("src/inference_endpoint/main.py",)},
    ArtifactKind.MMLU: {pattern: (pattern,) for pattern in _MMLU_FILES},
}


def check_contents(kind: ArtifactKind, folder: Path, *, without_weights: bool = False) -> None:
    """Check that a folder can be an artifact of this kind.

    Args:
        kind: The kind.
        folder: The folder.
        without_weights: Whether it does as a model that has no weights.

    Raises:
        SetupError: the folder is missing, or lacks a required file.
    """
    if not folder.is_dir():
        raise SetupError(
            f"{folder}: the {kind} folder does not exist; correct {kind.setting}.path, "
            "or remove it and give repo and revision to have it fetched."
        )
    paths = [PurePosixPath(path) for path in files_of(folder)]
    for name, patterns in _REQUIRED[kind].items():
        if without_weights and "*.safetensors" in patterns:
            continue
        if not any(path.match(pattern) for path in paths for pattern in patterns):
            raise SetupError(
                f"{folder}: a {kind} folder without {name}; fetch the {kind} again or correct its path."
            )


def state_folder(folder: Path) -> Path:
    """Return the folder, inside an artifact's, for partial downloads, the lock and files set aside."""
    return folder / ".cache" / "weighbridge"


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises:
        SetupError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{folder}: cannot be made ({error.strerror}); choose a folder that can.") from None


def set_aside(folder: Path, belonging: AbstractSet[str]) -> None:
    """Move all files that do not belong to the artifact into its state folder; they may be somebody's work.

    Args:
        folder: The artifact's folder.
        belonging: Paths of the artifact's files, relative to the folder.
    """
    for path in files_of(folder):
        if path not in belonging:
            target = state_folder(folder) / "set-aside" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (folder / path).replace(target)
            logger.warning("%s: not part of the artifact, moved to %s", folder / path, target)
