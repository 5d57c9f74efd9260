"""Copy the code that ran into the tree: a checkout, or the installed package where there is none."""

import shutil
from importlib.metadata import distribution, distributions
from pathlib import Path

from weighbridge.core.errors import InputError

_PACKAGE = Path(__file__).parents[1]
# From the project's root. The links demo, slurm and workflow/schemas lead to folders listed here.
_PATTERNS = (
    "Snakefile",
    "Makefile",
    "LICENSE",
    "config.yaml",
    "pyproject.toml",
    "envs/*",
    "profiles/**/*",
    "rehearsal/*",
    "requirements/*",
    "src/weighbridge/**/*",
    "workflow/**/*",
)


def copy_sources(root: Path | None, into: Path) -> None:
    """Copy the source files that ran into a folder of the submission tree.

    Args:
        root: The root of a checkout; None copies the installed package, its licence, and the versions of
            all other installed packages as `requirements.txt`.
        into: The folder to fill.

    Raises:
        InputError: `root` has no Snakefile.
    """
    if root is None:
        _copy_installed(into)
        return
    if not (root / "Snakefile").is_file():
        raise InputError(f"{root}: has no Snakefile; pass the project's root as --source.")
    for pattern in _PATTERNS:
        _copy(sorted(root.glob(pattern)), root, into)


def copy_benchmark(folder: Path, into: Path) -> None:
    """Copy the files of a benchmark outside this package; those inside it are copied with the package."""
    if not folder.is_relative_to(_PACKAGE):
        _copy(sorted(folder.rglob("*")), folder, into / "src" / folder.name)


def _copy_installed(into: Path) -> None:
    _copy(sorted(_PACKAGE.rglob("*")), _PACKAGE, into / "src" / _PACKAGE.name)
    # This package itself is in src/, and in no index that pip could take it from.
    installed = {found.metadata["Name"]: found.version for found in distributions()}
    pins = [f"{name}=={version}" for name, version in installed.items() if name != _PACKAGE.name]
    (into / "requirements.txt").write_text("".join(f"{pin}\n" for pin in sorted(pins, key=str.lower)))
    for name in ("LICENSE", "licenses/LICENSE"):
        if (text := distribution(_PACKAGE.name).read_text(name)) is not None:
            (into / "LICENSE").write_text(text)


def _copy(paths: list[Path], root: Path, into: Path) -> None:
    for path in paths:
        inside = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and _is_allowed(inside) and not _is_demo_data(inside):
            (into / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, into / inside)


def _is_allowed(path: Path) -> bool:
    """Return whether the official checker accepts the name: no dot file, no space, no bytecode."""
    return not any(part.startswith(".") or " " in part or part == "__pycache__" for part in path.parts)


def _is_demo_data(path: Path) -> bool:
    """Return whether the file belongs to a demo's dataset or checkpoint, which the demo's locks pin."""
    names = path.parts[:-1]
    return "demo" in names and names[-1] not in ("demo", "locks")
