"""Rules on a result of mlcommons/endpoints, which a round may accept beside LoadGen's: has it its files?"""

from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.records.check_record import Complaint
from weighbridge.submission.checker.tree_paths import ScenarioPath, canonical_folder, complaint_at

_SETTINGS = ("config.yaml", "config.yml")
_FILES = ("performance/result_summary.json", "accuracy/accuracy_results.json")


def is_of_endpoints(scenario: ScenarioPath, round_: Round) -> bool:
    """Return whether a scenario's result is one of mlcommons/endpoints, where the round accepts these."""
    known = canonical_folder(scenario.scenario, round_) is not None
    return known and "endpoints" in round_.also_proven_by and scenario.without_logs


def endpoints_complaints(tree: Path, scenario: ScenarioPath) -> Iterator[Complaint]:
    """Check that the files are there, and say that nothing else is checked."""
    settings = next((path for path in map(scenario.folder.joinpath, _SETTINGS) if path.is_file()), None)
    evidence = [scenario.folder / name for name in ("measurements.json", "README.md", *_FILES)]
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
