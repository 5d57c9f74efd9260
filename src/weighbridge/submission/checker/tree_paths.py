"""Paths in a submission tree: submitters' and scenarios' folders, found by listing the tree."""

from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.records.check_record import Complaint, Level
from weighbridge.records.run_record import DETAIL
from weighbridge.submission.tree import RUN_FOLDERS

DIVISIONS = ("closed", "open")
# The remedy for what an assembled tree has.
AGAIN = "Assemble the tree again from the runs."
# Versions of the official checkers that read a scenario's folder in lower case too; that of v6.1 does not.
_LOWER_CASE_ALLOWED = ("v6.0",)


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

    def is_judged_in(self, round_: Round) -> bool:
        """Return whether the round's rules are those of the benchmark; the open division names it freely."""
        return self.division == "open" or self.benchmark in round_.tree_names

    @property
    def without_logs(self) -> bool:
        """Return whether both of LoadGen's detail logs are missing, as in a result of another client."""
        logs = (self.folder / inner / DETAIL for inner in RUN_FOLDERS.values())
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
        for benchmark in benchmark_folders(submitter)
        for scenario in folders(benchmark)
    ]


def canonical_folder(name: str, round_: Round) -> str | None:
    """Return the folder of a scenario that a folder's name means; None if it means none."""
    lower = round_.checker_version in _LOWER_CASE_ALLOWED
    known = round_.scenario_folders
    return next((each for each in known if name == each or (lower and name == each.lower())), None)


def rules_of(name: str, round_: Round) -> ScenarioRules | None:
    """Return the rules of the scenario that a folder's name means; None if the round has none for it."""
    folder = canonical_folder(name, round_)
    return next((rules for rules in round_.scenarios.values() if rules.folder == folder), None)


def benchmark_folders(submitter: Path) -> list[Path]:
    """Return the folder of every benchmark of every system of a submitter."""
    return [benchmark for system in folders(submitter / "results") for benchmark in folders(system)]
