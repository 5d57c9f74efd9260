"""Rules on a result of the official endpoints client in a tree: its files, its numbers and its scores.

They are read from the files alone, by the gates that judge a run: what a person edited there, or what the
official checker overlooks, is found without the run. The log of events is in no tree.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.gates.endpoints_config_checks import config_checks
from weighbridge.gates.endpoints_score_checks import ANSWERS_IN_LOG, declared_score, score_declared_checks
from weighbridge.gates.endpoints_summary_checks import summary_checks
from weighbridge.records.check_record import Complaint
from weighbridge.records.official_client import ACCURACY_RESULTS, RESULT_SUMMARY
from weighbridge.records.run_record import USER_CONF
from weighbridge.records.verdict import Gate
from weighbridge.submission.checker.client_scenario import (
    OTHER_CONFIG,
    ClientScenario,
    client_scenario,
    written_config,
)
from weighbridge.submission.checker.score_rules import value_complaints
from weighbridge.submission.checker.tree_paths import AGAIN, ScenarioPath, complaint_at
from weighbridge.submission.run_files import CLIENT_RESULTS

_TEXTS = ("README.md", "measurements.json")
_POWER = ("power", "ranging")
_LOADGEN = "mlperf_log_"
# Checks of a run that the open division's rules and the official checker demand too.
_OPEN = {
    "configuration written",
    "result written",
    "seed of the schedule",
    "seed of the order",
    "minimum duration set",
    "rate",
    "p99 latency, early-stopping estimate",
    "datasets with a score",
    "samples scored",
    "score declared",
}
_NEEDS_ANSWERS = ("score computed by us", ANSWERS_IN_LOG)  # which are in no tree
_REMEDY = "Put back the file that the client wrote, or repeat the run."


def client_complaints(tree: Path, path: ScenarioPath, round_: Round) -> Iterator[Complaint]:
    """Check the files of a scenario whose result is one of the client, and what they say."""
    yield from _files(tree, path)
    scenario = client_scenario(path, round_)
    if scenario is None:
        yield complaint_at(
            tree,
            path.folder,
            "holds a result of mlcommons/endpoints, whose numbers this release does not check",
            "Check it with the official submission checker.",
            level="warning",
        )
        return
    try:
        results = scenario.results()
    except InputError as error:
        yield _damaged(tree, path, error)
        return
    yield from _numbers(tree, scenario, results)


def _files(tree: Path, path: ScenarioPath) -> Iterator[Complaint]:
    """Check that the official checker's files are there, and nothing that makes it read other ones."""
    folder = path.folder
    needed = [written_config(folder).relative_to(folder), *CLIENT_RESULTS[1:], *map(Path, _TEXTS)]
    for name in needed:
        if not (folder / name).is_file():
            yield complaint_at(tree, folder / name, "is missing", AGAIN)
        elif not (folder / name).read_bytes().strip():
            yield complaint_at(tree, folder / name, "is empty", AGAIN)
    for found in sorted(folder.rglob("*")):
        inside = found.relative_to(folder)
        if found.name in _POWER and found.parent.name == "performance":
            yield complaint_at(tree, found, "power is not checked by this release", "Remove the folder.")
        elif found.is_file() and inside not in needed and not set(inside.parts) & set(_POWER):
            yield _stray(tree, found)


def _stray(tree: Path, path: Path) -> Complaint:
    if path.name.startswith(_LOADGEN):
        said = "is a log of LoadGen beside results of the endpoints client; the official checker mixes them"
        return complaint_at(tree, path, said, "Remove it.")
    said = "is nothing that the rules name here; the official checkers pass over it"
    if path.name == USER_CONF:
        said = "configures LoadGen, which did not make this result"
    return complaint_at(tree, path, said, "Remove it, or keep it in src/.", "warning")


def _damaged(tree: Path, path: ScenarioPath, error: InputError) -> Complaint:
    for name in (*CLIENT_RESULTS, OTHER_CONFIG):
        file, text = path.folder / name, str(error)
        if text.startswith(str(file)):
            return complaint_at(tree, file, text.removeprefix(str(file)).lstrip(": ").rstrip("."), _REMEDY)
    return complaint_at(tree, path.folder, str(error).rstrip("."), _REMEDY)


def _numbers(tree: Path, scenario: ClientScenario, results: ClientResults) -> Iterator[Complaint]:
    """Check the numbers by the gates that need the files alone; what is not in a file is not passed."""
    round_, rules, closed = scenario.round_, scenario.rules, scenario.path.division == "closed"
    folder = scenario.path.folder
    config, summary, score = Gate(None), Gate(None), Gate(None)
    config_checks(config, results.config, None, round_, rules)
    summary_checks(summary, results, round_, rules)
    score_declared_checks(score, results.accuracy, None, None, round_, rules)
    for gate, file in (
        (config, written_config(folder)),
        (summary, folder / RESULT_SUMMARY),
        (score, folder / ACCURACY_RESULTS),
    ):
        for check in gate.checks:
            asked = check.asked and check.name not in _NEEDS_ANSWERS and (closed or check.name in _OPEN)
            if asked and not check.passed and file.is_file():
                value = "not known" if check.value is None else check.value
                said = f"{check.name} is {value}, must be {check.limit}"
                yield complaint_at(tree, file, said, check.remedy or AGAIN)
    if (declared := declared_score(results.accuracy, rules)) is not None:
        metric, text = round_.main_metric, np.format_float_positional(declared, trim="0")
        yield from value_complaints(
            tree, folder / ACCURACY_RESULTS, metric, text, round_.metrics[metric], closed
        )
