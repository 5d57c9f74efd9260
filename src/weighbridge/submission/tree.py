"""A submission tree: where everything stands in it, what may stand in it, and what it consists of."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from weighbridge.artifacts.manifest import FileEntry, Manifest
from weighbridge.config.round import Round, ScenarioRules
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of

_LARGEST_FILE_BYTES = 50 * 2**20


@dataclass(frozen=True)
class Layout:
    """The places of a tree for rounds from v6.0 on, as the official checker looks for them."""

    root: Path
    settings: SubmissionSettings
    round_: Round

    @property
    def submitter(self) -> Path:
        """The submitter's folder, the only one in the division's."""
        return self.root / self.settings.division / self.settings.submitter

    @property
    def system(self) -> Path:
        """The system description."""
        return self.submitter / "systems" / f"{self.settings.system}.json"

    @property
    def sources(self) -> Path:
        """The code that ran; the folder is src, not code, from v6.0 on."""
        return self.submitter / "src" / self.round_.benchmark

    @property
    def calibration(self) -> Path:
        """How the weights were quantised."""
        return self.submitter / "documentation" / "calibration.md"

    def scenario(self, scenario: ScenarioRules) -> Path:
        """A scenario's results; its name is capitalised, which v6.1 insists on."""
        results = self.submitter / "results" / self.settings.system
        return results / self.round_.benchmark / scenario.folder


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder that takes the target's place when all went well, and vanishes when not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        yield new
        if target.exists():
            target.rename(Path(scratch) / "old")
        new.rename(target)


def manifest_of(folder: Path) -> Manifest:
    """List a folder's files with sizes and hashes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return Manifest(
        files=tuple(
            FileEntry(
                path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=sha256_of(path)
            )
            for path in files
        )
    )


def check_tree(root: Path) -> None:
    """Refuse what the official checkers refuse by name, kind or size.

    Raises:
        InputError: the first such file or folder.
    """
    for path, fault in faults(root):
        raise InputError(f"{path.relative_to(root)}: {fault}; a submission tree must not hold it.")


def faults(root: Path) -> Iterator[tuple[Path, str]]:
    """Find every file and folder that a tree must not hold, and why."""
    for path in sorted(root.rglob("*")):
        fault = _fault(path)
        if fault is not None:
            yield path, fault


def _fault(path: Path) -> str | None:
    if path.name.startswith(".") or " " in path.name or path.name == "__pycache__":
        return "its name is hidden, has a blank, or is __pycache__"
    if path.is_symlink():
        return "it is a link"
    if path.is_dir():
        return None if any(path.iterdir()) else "it is an empty folder"
    return "it is larger than 50 MB" if path.stat().st_size > _LARGEST_FILE_BYTES else None
