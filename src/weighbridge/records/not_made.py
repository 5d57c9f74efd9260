"""Notes in the place of a run that was not made: what Snakemake waits for, until the command is over.

A rule's outputs must exist. So a run that is not worth its time leaves a note in run.json and empty files
beside it, its score leaves one too, and the verdict says why. `forget_not_made` removes them, so that a later
command finds neither run nor score, and makes them where they are asked for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model
from weighbridge.records.run_record import RUN_RECORD
from weighbridge.records.score import ACCURACY_JSON


class NotMade(Model):
    """Contents of run.json and of accuracy.json in the place of a run that was not made, and of its score."""

    not_made_because: str
    files: tuple[str, ...] = ()
    """Names of the files that the note stands for: these, and nothing else, are removed with it."""


def write_not_made(folder: Path, record: str, others: Sequence[str], reason: str) -> None:
    """Write the note of a run or a score that was not made.

    Args:
        folder: Its folder.
        record: Name of the file that the note goes into.
        others: Names of the other files that are waited for; they are made empty.
        reason: Why it was not made, as a sentence without its full stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in others:
        write_atomic(folder / name, "")
    note = NotMade(not_made_because=reason, files=(record, *others))
    write_atomic(folder / record, note.model_dump_json(indent=2) + "\n")


def not_made(record: Path) -> str | None:
    """Return why a run or a score was not made, given its run.json or accuracy.json; None: it is no note."""
    note = _note(record)
    return None if note is None else note.not_made_because


def reasons_not_made(runs: Mapping[str, Path]) -> dict[str, str]:
    """Return why runs were not made, by their names; `runs` has their folders."""
    notes = {name: not_made(folder / RUN_RECORD) for name, folder in runs.items()}
    return {name: reason for name, reason in notes.items() if reason is not None}


def forget_not_made(results: Path) -> None:
    """Remove the notes of all scenarios, and the empty files beside them."""
    for record in (*results.glob(f"*/*/{RUN_RECORD}"), *results.glob(f"*/{ACCURACY_JSON}")):
        note = _note(record)
        for name in [] if note is None else note.files:
            if Path(name).name == name:  # a file beside it, whatever the note was changed to
                (record.parent / name).unlink(missing_ok=True)


def _note(record: Path) -> NotMade | None:
    try:
        return NotMade.read(record) if record.is_file() else None
    except InputError:  # a run or a score
        return None
