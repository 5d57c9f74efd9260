"""accuracy.txt and the truncated log, read as strictly as the official checker reads them."""

import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.round import MetricRules, Round
from weighbridge.records.check_record import Complaint
from weighbridge.records.run_record import ANSWERS
from weighbridge.submission.checker.tree_paths import Place, complaint_at

LARGEST_LOG_BYTES = 10 * 1024
HASH_LINE = re.compile(r"hash=(\w+)")
_RESCORE = "Score the run again with `weighbridge evaluate`, and assemble."


def score_complaints(tree: Path, place: Place, round_: Round) -> Iterator[Complaint]:
    """Check one scenario's score, hash line and truncated log."""
    log = place.folder / "accuracy" / ANSWERS
    if log.is_file() and log.stat().st_size > LARGEST_LOG_BYTES:
        yield complaint_at(
            tree, log, f"has {log.stat().st_size} bytes, at most {LARGEST_LOG_BYTES} may be", "Truncate it."
        )
    path = place.folder / "accuracy" / "accuracy.txt"
    if not path.is_file():
        return
    # Line ends stay on: a carriage return or a blank after the hash makes the checker overlook it.
    lines = path.read_bytes().decode(errors="replace").split("\n")
    hashes = [line for line in lines if HASH_LINE.fullmatch(line)]
    if len(hashes) != 1:
        yield complaint_at(
            tree, path, f"{len(hashes)} lines are hash=... alone, one must be", "Assemble the tree anew."
        )
    yield from _values(tree, path, lines, place, round_)


def _values(tree: Path, path: Path, lines: list[str], place: Place, round_: Round) -> Iterator[Complaint]:
    for metric, rules in round_.metrics.items():
        # The checker's pattern, from the start of a line; of several on one line the last counts.
        pattern = re.compile(rf'\{{.*"{re.escape(metric)}":\s*([^\s,}}]+).*\}}')
        found = [match[1] for line in lines if (match := pattern.match(line))]
        if not found:
            yield complaint_at(tree, path, f'no line is {{"{metric}": ...}}', _RESCORE)
        for text in found:
            yield from _value(tree, path, metric, text, rules if place.division == "closed" else None)


def _value(tree: Path, path: Path, metric: str, text: str, rules: MetricRules | None) -> Iterator[Complaint]:
    remedy = "Look at the run's verdict; it says why."
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        yield complaint_at(tree, path, f"'{metric}' is {text}, not a plain decimal number", _RESCORE)
    elif rules is not None and rules.floor is not None and float(text) < rules.floor:
        yield complaint_at(tree, path, f"'{metric}' is {text}, below {rules.floor}", remedy)
    elif rules is not None and rules.ceiling is not None and float(text) > rules.ceiling:
        yield complaint_at(tree, path, f"'{metric}' is {text}, above {rules.ceiling}", remedy)
