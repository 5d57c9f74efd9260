"""Rules on a tree's layout: divisions, submitters, systems, benchmarks and scenarios, and their names."""

import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.records.check_record import Complaint, Level
from weighbridge.records.notice import DEMONSTRATION_FILE
from weighbridge.submission.checker.client_rules import client_complaints
from weighbridge.submission.checker.client_scenario import is_of_client
from weighbridge.submission.checker.file_rules import file_complaints
from weighbridge.submission.checker.tree_paths import (
    DIVISIONS,
    ScenarioPath,
    benchmark_folders,
    canonical_folder,
    complaint_at,
    folders,
    rules_of,
    scenario_paths,
    submitters,
)
from weighbridge.submission.tree import tree_faults

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Snakemake writes the first into each output folder; the archive does not hold it. The others are those of a
# repository, which the official checkers pass over at the top of a tree.
_NOT_CHECKED = (".snakemake_timestamp", ".git", ".github", "assets")
_ALLOWED_ENDINGS = (".md", ".pdf")


def layout_complaints(tree: Path, round_: Round) -> Iterator[Complaint]:
    """Check names, kinds, sizes and positions of all files and folders."""
    for path, fault in tree_faults(tree):
        if path.relative_to(tree).parts[0] in DIVISIONS:
            yield complaint_at(tree, path, fault, "Remove or rename it.")
    for path in sorted(tree.iterdir()):
        yield from _top(tree, path)
    for path in sorted(path for name in DIVISIONS for path in (tree / name).glob("*") if path.is_file()):
        yield complaint_at(tree, path, "is a file beside the submitters' folders", "Remove it.")
    scenarios = scenario_paths(tree)
    if not scenarios:
        yield complaint_at(
            tree, tree, "holds no result", "Pass the folder that holds closed/ or open/, with results in it."
        )
    for submitter in submitters(tree):
        yield from _submitter(tree, submitter, round_)
        for benchmark in benchmark_folders(submitter):
            yield from _benchmark(tree, benchmark, round_)
    for scenario in (each for each in scenarios if each.is_judged_in(round_)):
        yield from _scenario(tree, scenario, round_)


def _top(tree: Path, path: Path) -> Iterator[Complaint]:
    """Check a file or folder beside the divisions."""
    if path.name in _NOT_CHECKED or (path.name in DIVISIONS and path.is_dir()):
        return
    divisions = f"Only {' and '.join(DIVISIONS)} belong here."
    if path.is_dir():
        known = path.name == "network"
        said = "is a division that this release does not check" if known else "is not a division"
        yield complaint_at(tree, path, said, divisions, "error" if known else "warning")
    elif path.suffix not in _ALLOWED_ENDINGS:
        yield complaint_at(tree, path, "is a file beside the divisions", divisions)


def _submitter(tree: Path, submitter: Path, round_: Round) -> Iterator[Complaint]:
    mark = submitter / DEMONSTRATION_FILE
    if round_.submittable and mark.is_file():
        yield complaint_at(tree, mark, "marks a demonstration", "Submit results of real runs.")
    if not any(path.is_file() for path in (submitter / "src").rglob("*")):
        yield complaint_at(
            tree, submitter / "src", "holds no code", "Put the code that ran there (src, not code)."
        )
    if not any((submitter / name).is_file() for name in ("calibration.md", "documentation/calibration.md")):
        level: Level = "error" if submitter.parent.name == "closed" else "warning"
        remedy = "Describe the weights in documentation/calibration.md."
        yield complaint_at(tree, submitter, "has no calibration.md", remedy, level)
    if not folders(submitter / "results"):
        yield complaint_at(tree, submitter / "results", "holds no system's results", "Remove the submitter.")
    yield from _systems(tree, submitter)
    for path in (submitter, *folders(submitter / "results")):
        if not _NAME.fullmatch(path.name):
            # The older official checker writes both names into a CSV file without quoting them.
            level = "error" if set(path.name) & set(',"') else "warning"
            said = "has a name with other characters than letters, digits, dot, dash and underscore"
            yield complaint_at(tree, path, said, "Rename it.", level)


def _systems(tree: Path, submitter: Path) -> Iterator[Complaint]:
    """Check that each system is described and measured."""
    described = {path.stem for path in (submitter / "systems").glob("*.json")}
    measured = {path.name: path for path in folders(submitter / "results")}
    for name in sorted(described - set(measured)):
        yield complaint_at(
            tree, submitter / "systems" / f"{name}.json", "describes a system without results", "Remove it."
        )
    for name in sorted(set(measured) - described):
        yield complaint_at(tree, measured[name], "its system is not described", f"Add systems/{name}.json.")
    for name, path in measured.items():
        if ".json" in name:
            # The older official checker takes it out of the names of descriptions before it compares them.
            yield complaint_at(tree, path, "has a name that contains .json", "Rename the system.")
        if not folders(path):
            yield complaint_at(tree, path, "holds no benchmark's results", "Remove the system.")


def _benchmark(tree: Path, folder: Path, round_: Round) -> Iterator[Complaint]:
    closed = folder.relative_to(tree).parts[0] == "closed"
    if closed and folder.name not in round_.tree_names:
        remedy = f"Rename it to {round_.folder}, or pass a tree without results of other benchmarks."
        yield complaint_at(tree, folder, "is not the round's benchmark, and is not checked", remedy)
        return
    found: dict[str, str] = {}
    for path in folders(folder):
        name = canonical_folder(path.name, round_)
        if name is None:
            remedy = f"Scenarios are {', '.join(sorted(round_.scenario_folders))}, with capitals."
            yield complaint_at(tree, path, "is not a scenario of the round", remedy)
        elif name in found:
            said = f"is the same scenario as {found[name]}"
            yield complaint_at(tree, path, said, "Keep the one whose runs you submit.")
        else:
            found[name] = path.name
    for name in round_.missing_folders(found) if closed else ():
        said = f"{name} is missing, which the round requires"
        yield complaint_at(tree, folder, said, "Run the scenario, and assemble.")


def _scenario(tree: Path, scenario: ScenarioPath, round_: Round) -> Iterator[Complaint]:
    if is_of_client(scenario, round_):
        yield from client_complaints(tree, scenario, round_)
        return
    rules = rules_of(scenario.scenario, round_)
    if canonical_folder(scenario.scenario, round_) and rules is None:
        said = "holds LoadGen's logs, which prove no result of this scenario"
        remedy = "Measure it with the client that the round names for it."
        yield complaint_at(tree, scenario.folder, said, remedy)
    yield from file_complaints(tree, scenario, rules)
