"""Rules on a tree's JSON statements: system descriptions, measurements, the open division's model mapping."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.round import Round
from weighbridge.records.check_record import Complaint
from weighbridge.submission.checker.tree_paths import AGAIN, complaint_at, scenario_paths, submitters
from weighbridge.submission.measurements import examples_of
from weighbridge.submission.system_description import description_doubts, description_faults

_NO_OBJECT = "is not a JSON object in UTF-8 without a byte-order mark"


def statement_complaints(tree: Path, round_: Round) -> Iterator[Complaint]:
    """Check every JSON file of a submitter's statements."""
    for submitter in submitters(tree):
        for path in sorted((submitter / "systems").glob("*.json")):
            yield from _system(tree, path, submitter, round_)
    for scenario in scenario_paths(tree):
        path = scenario.folder / "measurements.json"
        if path.is_file():
            yield from _measurements(tree, path, round_)
        if scenario.division == "open":
            mapping = tree / "open" / scenario.submitter / "model_mapping.json"
            yield from _mapping(tree, mapping, scenario.benchmark, round_)


def _system(tree: Path, path: Path, submitter: Path, round_: Round) -> Iterator[Complaint]:
    values = _read(path)
    if values is None:
        yield complaint_at(tree, path, _NO_OBJECT, AGAIN)
        return
    for said, remedy in description_faults(values, round_):
        yield complaint_at(tree, path, said, remedy)
    for said, remedy in description_doubts(values):
        yield complaint_at(tree, path, said, remedy, "warning")
    submitter_said, division = str(values.get("submitter", "")), values.get("division")
    # The older official checker compares the division exactly; neither does so with the submitter.
    for name, folder, equal in (
        ("submitter", submitter, submitter_said.lower() == submitter.name.lower()),
        ("division", submitter.parent, division == submitter.parent.name),
    ):
        if not equal:
            yield complaint_at(
                tree,
                path,
                f"'{name}' is '{values.get(name)}'",
                f"It must be the folder's name, {folder.name}.",
            )


def _measurements(tree: Path, path: Path, round_: Round) -> Iterator[Complaint]:
    values = _read(path)
    if values is None:
        yield complaint_at(tree, path, _NO_OBJECT, AGAIN)
        return
    for name, example in examples_of(load_benchmark(round_.benchmark)).items():
        if not values.get(name):
            yield complaint_at(
                tree,
                path,
                f"'{name}' is missing or empty",
                f"State it under submission.measurements: '{example}'.",
            )


def _mapping(tree: Path, path: Path, benchmark: str, round_: Round) -> Iterator[Complaint]:
    values = _read(path) if path.is_file() else None
    if values is None or values.get(benchmark) != round_.folder:
        said = f"does not map '{benchmark}' to {round_.folder}"
        yield complaint_at(tree, path, said, f'Write {{"{benchmark}": "{round_.folder}"}}.')


def _read(path: Path) -> dict[str, Any] | None:
    try:
        # As text, which must not begin with a byte-order mark: the official checkers crash on one.
        values = json.loads(path.read_bytes().decode())
        json.dumps(values, ensure_ascii=False).encode()  # half a surrogate pair cannot be written again
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None
