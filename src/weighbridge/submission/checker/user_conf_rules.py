"""Rules on the user.conf in a tree: it must be the one that the performance run was made with."""

import math
from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.loadgen.loadgen_settings import names_of
from weighbridge.loadgen.logs import DetailLog
from weighbridge.records.check_record import Complaint
from weighbridge.records.run_record import USER_CONF
from weighbridge.submission.checker.tree_paths import ScenarioPath, complaint_at

# LoadGen logs numbers with six digits.
_TOLERANCE = 1e-5
_REMEDY = "Put the user.conf there that the performance run was made with."


def rate_complaints(
    tree: Path, scenario: ScenarioPath, log: DetailLog, rules: ScenarioRules
) -> Iterator[Complaint]:
    """Compare the target rate in user.conf with the one that the performance run logged.

    It is a warning: published submissions differ here, and no official checker reads the file.

    Raises:
        InputError: the logged rate is no number.
    """
    path = scenario.folder / USER_CONF
    used = log.number("effective_target_qps")
    if used is None or not (rules.offline or rules.has_schedule) or not path.is_file():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    if text.isspace() or not text:
        return  # told as an empty file
    stated = _target_rate(text, rules)
    if stated is None:
        yield complaint_at(
            tree, path, f"sets no target_qps; the run was made with {used:g}", _REMEDY, "warning"
        )
    elif not math.isclose(stated, used, rel_tol=_TOLERANCE):
        said = f"sets target_qps to {stated:g}; the run was made with {used:g}"
        yield complaint_at(tree, path, said, _REMEDY, "warning")


def _target_rate(text: str, rules: ScenarioRules) -> float | None:
    """Return the target rate that LoadGen would read from a user.conf; None if it would not find a number."""
    values = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] == "=":
            values[words[0]] = words[2]
    found = next((values[name] for name in names_of(rules, "target_qps") if name in values), None)
    try:
        return None if found is None else float(found)
    except ValueError:
        return None
