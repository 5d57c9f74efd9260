"""Rules on a tree's layout: folders and files that it must have, may have, and their names."""

import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.records.check_record import Complaint
from weighbridge.records.notice import DEMONSTRATION_FILE
from weighbridge.records.run_record import ANSWERS, DETAIL, SUMMARY
from weighbridge.submission.checker.tree_paths import (
    DIVISIONS,
    ScenarioPath,
    complaint_at,
    folders,
    scenario_paths,
    submitters,
)
from weighbridge.submission.tree import tree_faults

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MUST_HAVE = {
    ".": ("user.conf", "README.md", "measurements.json"),
    "performance/run_1": (DETAIL, SUMMARY),
    "accuracy": (DETAIL, SUMMARY, ANSWERS, "accuracy.txt"),
}
# Files of a result that mlcommons/endpoints made instead of LoadGen.
_SETTINGS = ("config.yaml", "config.yml")
_OF_ENDPOINTS = ("performance/result_summary.json", "accuracy/accuracy_results.json")
_MAY_HAVE = {".": ("mlperf.conf",), "performance/run_1": (ANSWERS, "mlperf_log_trace.json"), "accuracy": ()}
# Snakemake writes this file into each output folder; the archive does not hold it.
_SNAKEMAKE_FILE = ".snakemake_timestamp"
_ASSEMBLE_AGAIN = "Assemble the tree again from the runs."


def layout_complaints(tree: Path, round_: Round) -> Iterator[Complaint]:
    """Check names, kinds, sizes and positions of all files and folders."""
    for path, fault in tree_faults(tree):
        if path != tree / _SNAKEMAKE_FILE:
            yield complaint_at(tree, path, fault, "Remove or rename it.")
    for path in sorted(tree.iterdir()):
        if path.name not in (*DIVISIONS, _SNAKEMAKE_FILE):
            yield complaint_at(
                tree, path, "is not a division", f"Only {' and '.join(DIVISIONS)} belong here."
            )
    for path in sorted(path for name in DIVISIONS for path in (tree / name).glob("*") if path.is_file()):
        yield complaint_at(tree, path, "is a file beside the submitters' folders", "Remove it.")
    scenarios = scenario_paths(tree)
    if not scenarios:
        yield complaint_at(
            tree, tree, "holds no result", "Pass the folder that holds closed/ or open/, with results in it."
        )
    for submitter in submitters(tree):
        yield from _submitter(tree, submitter, round_)
    for benchmark in {scenario.folder.parent for scenario in scenarios}:
        yield from _benchmark(tree, benchmark, round_)
    for scenario in scenarios:
        yield from _scenario(tree, scenario, round_)


def _submitter(tree: Path, submitter: Path, round_: Round) -> Iterator[Complaint]:
    mark = submitter / DEMONSTRATION_FILE
    if round_.submittable and mark.is_file():
        yield complaint_at(tree, mark, "marks a demonstration", "Submit results of real runs.")
    if not any(path.is_file() for path in (submitter / "src").rglob("*")):
        yield complaint_at(
            tree, submitter / "src", "holds no code", "Put the code that ran there (src, not code)."
        )
    if not any((submitter / name).is_file() for name in ("calibration.md", "documentation/calibration.md")):
        yield complaint_at(
            tree, submitter, "has no calibration.md", "Describe the weights in documentation/calibration.md."
        )
    described = {path.stem for path in (submitter / "systems").glob("*.json")}
    measured = {path.name for path in folders(submitter / "results")}
    for name in sorted(described - measured):
        yield complaint_at(
            tree, submitter / "systems" / f"{name}.json", "describes a system without results", "Remove it."
        )
    for name in sorted(measured - described):
        yield complaint_at(
            tree, submitter / "results" / name, "its system is not described", f"Add systems/{name}.json."
        )
    for path in (submitter, *(submitter / "results" / name for name in sorted(measured))):
        if not _NAME.fullmatch(path.name):
            yield complaint_at(
                tree, path, "has a name with other characters", "Use letters, digits, dot, dash, underscore."
            )


def _benchmark(tree: Path, folder: Path, round_: Round) -> Iterator[Complaint]:
    division = folder.relative_to(tree).parts[0]
    if division == "closed" and folder.name != round_.benchmark:
        remedy = f"The folder must be {round_.benchmark}."
        yield complaint_at(tree, folder, "is not the round's benchmark", remedy)
    found = {path.name for path in folders(folder)}
    known = set(round_.scenario_folders)
    if division == "closed":
        for name in round_.missing_folders(found):
            yield complaint_at(
                tree, folder, f"the required scenario {name} is missing", "Run the scenario, and assemble."
            )
    for name in sorted(found - known):
        yield complaint_at(
            tree,
            folder / name,
            "is not a scenario of the round",
            f"Scenarios are {', '.join(sorted(known))}.",
        )


def is_of_endpoints(scenario: ScenarioPath, round_: Round) -> bool:
    """Return whether a scenario's result is one of mlcommons/endpoints, where the round accepts these."""
    known = scenario.scenario in round_.scenario_folders
    return known and "endpoints" in round_.also_proven_by and scenario.without_logs


def _result_of_endpoints(tree: Path, scenario: ScenarioPath) -> Iterator[Complaint]:
    settings = next((path for path in map(scenario.folder.joinpath, _SETTINGS) if path.is_file()), None)
    evidence = [scenario.folder / name for name in ("measurements.json", "README.md", *_OF_ENDPOINTS)]
    for path in (settings or scenario.folder / _SETTINGS[0], *evidence):
        if not path.is_file():
            yield complaint_at(tree, path, "is missing", "Copy it from the report of mlcommons/endpoints.")
    yield complaint_at(
        tree,
        scenario.folder,
        "holds a result of mlcommons/endpoints, whose numbers this release does not check",
        "Check it with the official submission checker.",
        level="warning",
    )


def _scenario(tree: Path, scenario: ScenarioPath, round_: Round) -> Iterator[Complaint]:
    if is_of_endpoints(scenario, round_):
        yield from _result_of_endpoints(tree, scenario)
    else:
        yield from _result_of_loadgen(tree, scenario, round_)


def _result_of_loadgen(tree: Path, scenario: ScenarioPath, round_: Round) -> Iterator[Complaint]:
    ruled = {rules.folder for rules in round_.scenarios.values()}
    if scenario.scenario in set(round_.scenario_folders) - ruled:
        yield complaint_at(
            tree,
            scenario.folder,
            "holds LoadGen's logs, which prove no result of this scenario",
            "Measure it with the client that the round names for it.",
        )
    for inner, names in _MUST_HAVE.items():
        folder = scenario.folder / inner
        for name in names:
            path = folder / name
            if not path.is_file():
                yield complaint_at(tree, path, "is missing", _ASSEMBLE_AGAIN)
            elif path.stat().st_size == 0:
                yield complaint_at(tree, path, "is empty", _ASSEMBLE_AGAIN)
        if inner != "." and folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.name not in (*names, *_MAY_HAVE[inner]):
                    yield complaint_at(tree, path, "does not belong here", "Remove it.")
