"""Rules on the files of a scenario's folder: what must be there, what may be, and what must not be blank."""

import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.records.check_record import Complaint
from weighbridge.records.run_record import ANSWERS, DETAIL, SUMMARY, USER_CONF
from weighbridge.records.score import ACCURACY_TEXT
from weighbridge.submission.checker.tree_paths import AGAIN, ScenarioPath, complaint_at
from weighbridge.submission.tree import RUN_FOLDERS

_RUN, _ACCURACY = RUN_FOLDERS[Mode.PERFORMANCE], RUN_FOLDERS[Mode.ACCURACY]
_PERFORMANCE = _RUN.parent
_MUST_HAVE = {
    Path(): (USER_CONF, "README.md", "measurements.json"),
    _RUN: (DETAIL, SUMMARY),
    _ACCURACY: (DETAIL, SUMMARY, ANSWERS, ACCURACY_TEXT),
}
# Optional files of the official checkers.
_TRACES = ("mlperf_log_trace.json", "results.json")
_MAY_HAVE = {_RUN: (ANSWERS, *_TRACES), _ACCURACY: _TRACES}
# Published beside the logs; only the older official checker refuses it.
_METADATA = "metadata.json"
# What the rules name besides, in a scenario's folder.
_BESIDE = (
    _PERFORMANCE.name,
    _ACCURACY.name,
    "mlperf.conf",
    "calibration_process.adoc",
    "submission_checker_log.txt",
)
_TEXTS = (USER_CONF, "README.md")
_POWER = ("power", "ranging")
_OTHER_RUN = re.compile(r"run_[0-9]+")


def file_complaints(tree: Path, scenario: ScenarioPath, rules: ScenarioRules | None) -> Iterator[Complaint]:
    """Check the files of one scenario's folder; `rules` are the scenario's, None: the round has none."""
    tests = rules.compliance_runs.values() if rules is not None else ()
    for inner, names in _MUST_HAVE.items():
        for name in names:
            yield from _required(tree, scenario.folder / inner / name)
    for inner in _MAY_HAVE:
        for path in _entries(scenario.folder / inner):
            if path.name not in (*_MUST_HAVE[inner], *_MAY_HAVE[inner]):
                yield _stray(tree, path)
    for path in _entries(scenario.folder / _PERFORMANCE):
        if path.name != _RUN.name:
            yield _beside_the_run(tree, path)
    for path in _entries(scenario.folder):
        if path.name not in (*_MUST_HAVE[Path()], *_BESIDE, *tests):
            said = "is nothing that the rules name here; the official checkers pass over it"
            yield complaint_at(tree, path, said, "Remove it, or keep it in src/.", "warning")


def _required(tree: Path, path: Path) -> Iterator[Complaint]:
    if not path.is_file():
        yield complaint_at(tree, path, "is missing", AGAIN)
    elif path.stat().st_size == 0 or (path.name in _TEXTS and not path.read_bytes().strip()):
        yield complaint_at(tree, path, "is empty", AGAIN)


def _stray(tree: Path, path: Path) -> Complaint:
    if path.name == _METADATA:
        said = "does not belong here; of the official checkers only the older one (v6.0) refuses it"
        return complaint_at(tree, path, said, "Remove it.", "warning")
    return complaint_at(tree, path, "does not belong here", "Remove it.")


def _beside_the_run(tree: Path, path: Path) -> Complaint:
    """Return the complaint about a folder or file of performance/ that is not run_1."""
    if path.name in _POWER:
        return complaint_at(tree, path, "power is not checked by this release", "Remove the folder.")
    if _OTHER_RUN.fullmatch(path.name):
        said = "is another run; a scenario has one performance run, run_1"
        return complaint_at(tree, path, said, "Keep the run that you submit, as run_1.")
    return complaint_at(tree, path, "does not belong beside run_1", "Remove it.", "warning")


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
