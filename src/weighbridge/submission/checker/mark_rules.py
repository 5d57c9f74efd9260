"""Rules on marks: nothing in the tree of a real round may say that it was demonstrated or simulated.

Each file is searched on its own, because a person may have removed the mark from any of them.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data
from weighbridge.records.check_record import Complaint
from weighbridge.records.notice import DEMONSTRATION_FILE, mark_in
from weighbridge.records.score import ACCURACY_TEXT
from weighbridge.submission.checker.tree_paths import complaint_at, scenario_paths, submitters
from weighbridge.submission.tree import RECORDS
from weighbridge.system.identity import UNREADABLE, simulation_sha256, simulation_sha256_of

_REMEDY = "Results of a demonstration or a simulation are never submitted; submit those of real runs."
_SUBMITTERS_FILES = ("*.md", "systems/*.json", "documentation/**/*.md", "src/*/README.md")
_SCENARIOS_FILES = ("README.md", "measurements.json", f"accuracy/{ACCURACY_TEXT}")


def mark_complaints(tree: Path, round_: Round) -> Iterator[Complaint]:
    """Check that no text and no record of a submittable round's tree is marked as not submittable."""
    if not round_.submittable:
        return
    files = {each.folder / name for each in scenario_paths(tree) for name in _SCENARIOS_FILES}
    for submitter in submitters(tree):
        files.update(path for pattern in _SUBMITTERS_FILES for path in submitter.glob(pattern))
    for path in sorted(path for path in files if path.is_file() and path.name != DEMONSTRATION_FILE):
        if mark := mark_in(path.read_text(errors="replace")):
            yield complaint_at(tree, path, f"says '{mark}'", _REMEDY)
    for submitter in submitters(tree):
        simulations = _simulations(submitter)
        for path in sorted(submitter.glob(f"src/*/{RECORDS}/**/*.json")):
            for said in _signs(path, simulations):
                yield complaint_at(tree, path, said, _REMEDY)


def _simulations(submitter: Path) -> set[str]:
    """Return the hashes of the simulated server's code: of this package, and of the one in the tree."""
    hashes = {simulation_sha256()}
    for package in submitter.glob("src/*/src/weighbridge"):
        # Code that cannot be read is not the code that ran, which record_rules tell.
        with contextlib.suppress(*UNREADABLE):
            hashes.add(simulation_sha256_of(package))
    return hashes


def _signs(path: Path, simulations: set[str]) -> Iterator[str]:
    """Yield what shows that a record is of a demonstration, or of a run against the simulated server."""
    try:
        record = read_data(path)
    except InputError:
        return  # told by record_rules
    if not isinstance(record, dict):
        return
    if record.get("submittable") is False:
        yield "says that its round is not submittable"
    if reason := record.get("not_submittable_because"):
        yield f"says 'not submittable: {reason}'"
    for text in _about_the_server(record):
        if mark := mark_in(text):
            yield f"says '{mark}'"
        elif any(known in text for known in simulations):
            yield "names the code of the simulated server"


def _about_the_server(record: dict[str, Any]) -> Iterator[str]:
    server = record.get("server")
    values = server if isinstance(server, dict) else {}
    for value in (record.get("server_version"), values.get("kind"), values.get("version")):
        if isinstance(value, str):
            yield value
