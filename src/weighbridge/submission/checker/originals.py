"""The full accuracy logs that stay with the submitter: is each the one that the tree names by its hash?"""

from pathlib import Path

from weighbridge.core.files import sha256_of
from weighbridge.records.check_record import Complaint
from weighbridge.records.run_record import ANSWERS
from weighbridge.submission.checker.score_rules import HASH_LINE
from weighbridge.submission.truncate import truncated


def check_originals(tree: Path, originals: Path) -> tuple[dict[str, bool], list[Complaint]]:
    """Compare every full log that was kept with the hash and the two ends that the tree has of it."""
    proven: dict[str, bool] = {}
    complaints = []
    kept = {path.relative_to(originals) for path in originals.rglob(ANSWERS)}
    shown = {path.relative_to(tree) for path in tree.rglob(f"accuracy/{ANSWERS}")}
    for inside in sorted(kept | shown):
        fault = _fault(tree / inside, originals / inside)
        proven[inside.as_posix()] = fault is None
        if fault is not None:
            complaints.append(
                Complaint(
                    tool="weighbridge",
                    file=inside.as_posix(),
                    said=fault,
                    remedy="Put back the log that was scored, or score, judge and assemble again.",
                )
            )
    return proven, complaints


def _fault(shown: Path, original: Path) -> str | None:
    if not original.is_file():
        return "its full log was not kept"
    if not shown.is_file():
        return "the tree does not hold it, although its full log was kept"
    text = shown.parent / "accuracy.txt"
    lines = text.read_text(errors="replace").split("\n") if text.is_file() else []
    if [match[1] for line in lines if (match := HASH_LINE.fullmatch(line))] != [sha256_of(original)]:
        return "the hash in accuracy.txt is not that of the full log"
    return None if shown.read_bytes() == truncated(original) else "it is not the two ends of the full log"
