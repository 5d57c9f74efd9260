"""Rules on accuracy.txt, the truncated accuracy log, and the full log that the submitter keeps."""

import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.files import sha256_of
from weighbridge.records.check_record import Complaint, Level
from weighbridge.records.run_record import ANSWERS
from weighbridge.records.score import ACCURACY_TEXT, hashes_in, scores_in
from weighbridge.submission.checker.tree_paths import AGAIN, ScenarioPath, complaint_at, scenario_paths
from weighbridge.submission.tree import RUN_FOLDERS, truncated

_LARGEST_LOG_BYTES = 10 * 1024
_SCORE_AGAIN = "Score the run again with `weighbridge evaluate`, and assemble."


def score_complaints(tree: Path, scenario: ScenarioPath, round_: Round) -> Iterator[Complaint]:
    """Check one scenario's score, hash line and truncated log, as strictly as the official checker."""
    folder = scenario.folder / RUN_FOLDERS[Mode.ACCURACY]
    log = folder / ANSWERS
    if log.is_file() and log.stat().st_size > _LARGEST_LOG_BYTES:
        yield complaint_at(
            tree,
            log,
            f"has {log.stat().st_size} bytes; at most {_LARGEST_LOG_BYTES} are allowed",
            "Truncate it.",
        )
    path = folder / ACCURACY_TEXT
    if not path.is_file():
        return
    try:
        lines = _lines(path)
    except UnicodeDecodeError:
        yield complaint_at(tree, path, "is not UTF-8 text", _SCORE_AGAIN)
        return
    hashes = hashes_in(lines)
    if not hashes:
        yield complaint_at(tree, path, "has no line that is hash=... alone", AGAIN)
    elif len(hashes) > 1:
        said = f"has {len(hashes)} lines that are hash=... alone; only the first after the score counts"
        yield complaint_at(tree, path, said, AGAIN, "warning")
    yield from _values(tree, path, lines, scenario, round_)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text as the official checkers read them: they end in any of the three ways.

    Other characters at the end of a line stay: with a space after it, the checkers ignore the hash.
    """
    with path.open(encoding="utf-8") as stream:
        return [line.removesuffix("\n") for line in stream]


def _values(
    tree: Path, path: Path, lines: list[str], scenario: ScenarioPath, round_: Round
) -> Iterator[Complaint]:
    for metric, rules in round_.metrics.items():
        found = scores_in(lines, metric, rules.notation)
        if not found:
            quote = '"' if rules.notation == "json" else "'"
            yield complaint_at(tree, path, f"has no line {{{quote}{metric}{quote}: ...}}", _SCORE_AGAIN)
        if len(set(found)) > 1:
            said = f"'{metric}' is {' and '.join(dict.fromkeys(found))}"
            yield complaint_at(tree, path, said, _SCORE_AGAIN)
        for text in dict.fromkeys(found):
            yield from value_complaints(tree, path, metric, text, rules, scenario.division == "closed")


def value_complaints(
    tree: Path, path: Path, metric: str, text: str, rules: MetricRules, closed: bool
) -> Iterator[Complaint]:
    """Check one score, as text, against its bounds."""
    remedy = "Read the run's verdict; it lists what to do."
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        yield complaint_at(tree, path, f"'{metric}' is {text}, not a plain decimal number", _SCORE_AGAIN)
    elif rules.largest is not None and float(text) > rules.largest:
        said = f"'{metric}' is {text}; the highest possible score is {rules.largest:g}"
        yield complaint_at(tree, path, said, _SCORE_AGAIN)
    elif closed and rules.floor is not None and float(text) < rules.floor:
        # Ours is the strictest of the published readings; only what every reading refuses is an error.
        level: Level = "error" if float(text) < min([rules.floor, *rules.readings.values()]) else "warning"
        yield complaint_at(tree, path, f"'{metric}' is {text}, below {rules.floor}", remedy, level)
    elif closed and rules.ceiling is not None and float(text) > rules.ceiling:
        yield complaint_at(tree, path, f"'{metric}' is {text}, above {rules.ceiling}", remedy)


def check_originals(tree: Path, originals: Path) -> tuple[dict[str, bool], list[Complaint]]:
    """Compare each full log that was kept with its hash and its truncated form in the tree.

    Args:
        tree: The folder that holds closed/ or open/.
        originals: The folder of full accuracy logs, with the same paths as in the tree.

    Returns:
        For each accuracy log, by its path in the tree, whether it is proven; and a complaint for each other.
    """
    proven: dict[str, bool] = {}
    complaints = []
    kept = {path.relative_to(originals) for path in originals.rglob(ANSWERS)}
    # Those of compliance runs lie elsewhere, and whole.
    logs = (each.folder / RUN_FOLDERS[Mode.ACCURACY] / ANSWERS for each in scenario_paths(tree))
    in_tree = {path.relative_to(tree) for path in logs if path.exists()}
    for inside in sorted(kept | in_tree):
        fault = _original_fault(tree / inside, originals / inside)
        proven[inside.as_posix()] = fault is None
        if fault is not None:
            remedy = "Put back the log that was scored, or score, judge and assemble again."
            complaints.append(complaint_at(tree, tree / inside, fault, remedy))
    return proven, complaints


def _original_fault(in_tree: Path, original: Path) -> str | None:
    if not original.is_file():
        return "its full log was not kept"
    if not in_tree.is_file():
        return "the tree does not hold it, although its full log was kept"
    text = in_tree.parent / ACCURACY_TEXT
    try:
        hashes = hashes_in(_lines(text))
    except (OSError, UnicodeDecodeError):
        hashes = []
    if hashes != [sha256_of(original)]:
        return "the hash in accuracy.txt is not that of the full log"
    return (
        None
        if in_tree.read_bytes() == truncated(original)
        else "it is not the truncated form of the full log"
    )
