"""Where things stand in a tree, read from the tree itself."""

from dataclasses import dataclass
from pathlib import Path

from weighbridge.records.check_record import Complaint

DIVISIONS = ("closed", "open")


@dataclass(frozen=True)
class Place:
    """The folder of one scenario's results, and the names above it."""

    folder: Path
    division: str
    submitter: str
    system: str
    benchmark: str

    @property
    def scenario(self) -> str:
        """The folder's own name."""
        return self.folder.name


def complaint_at(tree: Path, path: Path, said: str, remedy: str) -> Complaint:
    """Return a complaint of our own about a file or folder of a tree."""
    return Complaint(tool="weighbridge", file=path.relative_to(tree).as_posix(), said=said, remedy=remedy)


def folders(folder: Path) -> list[Path]:
    """List the folders in a folder; none where it is missing."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def submitters(tree: Path) -> list[Path]:
    """List the submitters' folders of all divisions."""
    return [submitter for division in DIVISIONS for submitter in folders(tree / division)]


def scenario_places(tree: Path) -> list[Place]:
    """List every scenario's folder."""
    return [
        Place(scenario, submitter.parent.name, submitter.name, system.name, benchmark.name)
        for submitter in submitters(tree)
        for system in folders(submitter / "results")
        for benchmark in folders(system)
        for scenario in folders(benchmark)
    ]
