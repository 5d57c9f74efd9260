"""Rules on accuracy.txt and the truncated accuracy log."""

import re
from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.records.check_record import Complaint, Level
from weighbridge.records.run_record import ANSWERS
from weighbridge.records.score import ACCURACY_TEXT, hashes_in, scores_in
from weighbridge.submission.checker.tree_paths import AGAIN, ScenarioPath, complaint_at
from weighbridge.submission.tree import RUN_FOLDERS

_LARGEST_LOG_BYTES = 10 * 1024
_CHECKERS_READING = "checker"  # its name among the published readings of a floor
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
        lines = lines_of(path)
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


def lines_of(path: Path) -> list[str]:
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
        # What the official checker's reading refuses is an error; what only a stricter one does, a warning.
        lowest = rules.readings.get(_CHECKERS_READING, min([rules.floor, *rules.readings.values()]))
        level: Level = "error" if float(text) < lowest else "warning"
        yield complaint_at(tree, path, f"'{metric}' is {text}, below {rules.floor}", remedy, level)
    elif closed and rules.ceiling is not None and float(text) > rules.ceiling:
        yield complaint_at(tree, path, f"'{metric}' is {text}, above {rules.ceiling}", remedy)
