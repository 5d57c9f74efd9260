"""Paths in a submission tree: submitters' and scenarios' folders, found by listing the tree."""

from dataclasses import dataclass
from pathlib import Path

from weighbridge.records.check_record import Complaint, Level
from weighbridge.records.run_record import DETAIL

DIVISIONS = ("closed", "open")


@dataclass(frozen=True)
class ScenarioPath:
    """The folder of one scenario's results, and names of folders above it."""

    folder: Path
    division: str
    submitter: str
    benchmark: str

    @property
    def scenario(self) -> str:
        """Return the name of the scenario's folder."""
        return self.folder.name

    @property
    def without_logs(self) -> bool:
        """Return whether both of LoadGen's detail logs are missing, as in a result of another client."""
        logs = (self.folder / inner / DETAIL for inner in ("performance/run_1", "accuracy"))
        return not any(path.exists() for path in logs)


def complaint_at(tree: Path, path: Path, said: str, remedy: str, level: Level = "error") -> Complaint:
    """Return a complaint of Weighbridge's own rules about a file or folder of a tree."""
    return Complaint(
        tool="weighbridge", file=_printable(path.relative_to(tree)), said=said, remedy=remedy, level=level
    )


def _printable(path: Path) -> str:
    """Return a path as text; characters that are not printable, or not UTF-8, are written as escapes."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in path.as_posix()
    )


def folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; an empty list if it does not exist."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def submitters(tree: Path) -> list[Path]:
    """Return the submitters' folders of all divisions."""
    return [submitter for division in DIVISIONS for submitter in folders(tree / division)]


def scenario_paths(tree: Path) -> list[ScenarioPath]:
    """Return the folder of every scenario of every submitter, system and benchmark."""
    return [
        ScenarioPath(scenario, submitter.parent.name, submitter.name, benchmark.name)
        for submitter in submitters(tree)
        for system in folders(submitter / "results")
        for benchmark in folders(system)
        for scenario in folders(benchmark)
    ]
