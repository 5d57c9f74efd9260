"""The form of a tree: which folders and files it must have, may have, and how they may be called."""

import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.records.check_record import Complaint
from weighbridge.records.notice import DEMONSTRATION_FILE
from weighbridge.records.run_record import ANSWERS, DETAIL, SUMMARY
from weighbridge.submission.checker.tree_paths import (
    DIVISIONS,
    Place,
    complaint_at,
    folders,
    scenario_places,
    submitters,
)
from weighbridge.submission.tree import faults

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MUST_HAVE = {
    ".": ("user.conf", "README.md", "measurements.json"),
    "performance/run_1": (DETAIL, SUMMARY),
    "accuracy": (DETAIL, SUMMARY, ANSWERS, "accuracy.txt"),
}
_MAY_HAVE = {".": ("mlperf.conf",), "performance/run_1": (ANSWERS, "mlperf_log_trace.json"), "accuracy": ()}
# Snakemake marks the folders that it made; the mark is above the tree, and no archive has it.
_STAMP = ".snakemake_timestamp"
_BUILD_ANEW = "Assemble the tree anew from the runs."


def form_complaints(tree: Path, round_: Round) -> Iterator[Complaint]:
    """Check names, kinds, sizes and places."""
    for path, fault in faults(tree):
        if path != tree / _STAMP:
            yield complaint_at(tree, path, fault, "Remove or rename it.")
    for path in sorted(tree.iterdir()):
        if path.name not in (*DIVISIONS, _STAMP):
            yield complaint_at(tree, path, "no division", f"Only {' and '.join(DIVISIONS)} belong here.")
    for path in sorted(path for name in DIVISIONS for path in (tree / name).glob("*") if path.is_file()):
        yield complaint_at(tree, path, "a file beside the submitters", "Remove it.")
    places = scenario_places(tree)
    if not places:
        yield complaint_at(
            tree, tree, "holds no result", "Give the folder that holds closed/ or open/, with results in it."
        )
    for submitter in submitters(tree):
        yield from _submitter(tree, submitter, round_)
    for benchmark in {place.folder.parent for place in places}:
        yield from _benchmark(tree, benchmark, round_)
    for place in places:
        yield from _scenario(tree, place)


def _submitter(tree: Path, submitter: Path, round_: Round) -> Iterator[Complaint]:
    mark = submitter / DEMONSTRATION_FILE
    if round_.submittable and mark.is_file():
        yield complaint_at(tree, mark, "a demonstration", "Submit results of real runs.")
    if not any(path.is_file() for path in (submitter / "src").rglob("*")):
        yield complaint_at(
            tree, submitter / "src", "no code in it", "Put the code that ran there (src, not code)."
        )
    if not any((submitter / place).is_file() for place in ("calibration.md", "documentation/calibration.md")):
        yield complaint_at(
            tree, submitter, "no calibration.md", "Describe the weights in documentation/calibration.md."
        )
    described = {path.stem for path in (submitter / "systems").glob("*.json")}
    measured = {path.name for path in folders(submitter / "results")}
    for name in sorted(described - measured):
        yield complaint_at(tree, submitter / "systems" / f"{name}.json", "no results of it", "Remove it.")
    for name in sorted(measured - described):
        yield complaint_at(
            tree, submitter / "results" / name, "its system is not described", f"Add systems/{name}.json."
        )
    for path in (submitter, *(submitter / "results" / name for name in sorted(measured))):
        if not _NAME.fullmatch(path.name):
            yield complaint_at(
                tree, path, "a name of other signs", "Use letters, digits, dot, dash, underscore."
            )


def _benchmark(tree: Path, folder: Path, round_: Round) -> Iterator[Complaint]:
    division = folder.relative_to(tree).parts[0]
    if division == "closed" and folder.name != round_.benchmark:
        remedy = f"The folder must be {round_.benchmark}."
        yield complaint_at(tree, folder, "no benchmark of the round", remedy)
    found = {path.name for path in folders(folder)}
    known = {rules.folder for rules in round_.scenarios.values()}
    wanted = {rules.folder for rules in round_.scenarios.values() if rules.required}
    if division == "closed":
        for name in sorted(wanted - found):
            yield complaint_at(
                tree, folder, f"the required scenario {name} is missing", "Make its two runs, and assemble."
            )
    for name in sorted(found - known):
        yield complaint_at(
            tree, folder / name, "no scenario of the round", f"Scenarios are {', '.join(sorted(known))}."
        )


def _scenario(tree: Path, place: Place) -> Iterator[Complaint]:
    for inner, names in _MUST_HAVE.items():
        folder = place.folder / inner
        for name in names:
            path = folder / name
            if not path.is_file():
                yield complaint_at(tree, path, "is missing", _BUILD_ANEW)
            elif path.stat().st_size == 0:
                yield complaint_at(tree, path, "is empty", _BUILD_ANEW)
        if inner != "." and folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.name not in (*names, *_MAY_HAVE[inner]):
                    yield complaint_at(tree, path, "does not belong here", "Remove it.")
