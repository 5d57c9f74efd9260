"""The code that ran, copied into the tree: the workflow, the package and what pins them."""

import shutil
from pathlib import Path

from weighbridge.core.errors import InputError

# From the project's root. The folders within demo/ stay out: they are data, and pinned by locks.
_PATTERNS = (
    "Snakefile",
    "Makefile",
    "LICENSE",
    "config.yaml",
    "pyproject.toml",
    "demo/*",
    "envs/*",
    "profiles/**/*",
    "rehearsal/*",
    "requirements/*",
    "src/weighbridge/**/*",
    "workflow/**/*",
)


def copy_sources(root: Path, into: Path) -> None:
    """Copy the project's files; names that a submission may not hold are left behind.

    Raises:
        InputError: the root is not the project's.
    """
    if not (root / "Snakefile").is_file():
        raise InputError(f"{root}: has no Snakefile; give the project's root as --source.")
    for pattern in _PATTERNS:
        for path in sorted(root.glob(pattern)):
            inside = path.relative_to(root)
            if path.is_file() and not path.is_symlink() and _belongs(inside):
                (into / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, into / inside)


def _belongs(path: Path) -> bool:
    """Whether the official checker lets a name pass: no dot files, no blanks, no bytecode."""
    return not any(part.startswith(".") or " " in part or part == "__pycache__" for part in path.parts)
