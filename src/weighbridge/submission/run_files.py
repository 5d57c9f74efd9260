"""The files of a scenario's runs in a tree: LoadGen's logs, or the report of the official endpoints client.

    <Scenario>/performance/run_1/...      LoadGen's logs, and accuracy/ with the truncated accuracy log
    <Scenario>/user.conf

    <Scenario>/config.yaml                what the official client resolved
    <Scenario>/performance/result_summary.json
    <Scenario>/accuracy/accuracy_results.json

Whole answers are not published: they stay in the folder of originals, with what else proves them.
"""

from pathlib import Path

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.records.official_client import (
    ACCURACY_RESULTS,
    CLIENT_FILES,
    CLIENT_FOLDER,
    CLIENT_LOG,
    CLIENT_REQUEST,
    PHASE_ANSWERS,
    RESULT_SUMMARY,
    WRITTEN_CONFIG,
    client_folder,
)
from weighbridge.records.run_record import ANSWERS, DETAIL, SUMMARY, USER_CONF
from weighbridge.records.score import ACCURACY_JSON, ACCURACY_TEXT, Evaluation
from weighbridge.submission.tree import RUN_FOLDERS, copy_file, truncate_log, with_hash

CLIENT_RESULTS = (WRITTEN_CONFIG, RESULT_SUMMARY, ACCURACY_RESULTS)
"""The official client's files that a tree holds, by their paths in its report and in a scenario's folder."""
ANSWERS_OF_CLIENT = RUN_FOLDERS[Mode.ACCURACY] / PHASE_ANSWERS
"""The answers that were scored, as they are kept."""


def recorded_name(name: Path) -> str:
    """Return the name by which run.json records the hash of a file of the client's report."""
    return (CLIENT_FOLDER / name).as_posix()


CLIENT_ORIGINALS = {
    **{name: recorded_name(name) for name in CLIENT_FILES if name not in CLIENT_RESULTS},
    **{Path(name): name for name in (CLIENT_REQUEST, CLIENT_LOG)},
}
"""What proves them, and holds whole answers or names its machine: as it is kept, and in the run's folder."""


def add_loadgen_files(scenario: Path, performance: Path, accuracy: Path, into: Path, kept: Path) -> None:
    """Copy LoadGen's logs into a scenario's folder of a tree, the accuracy log truncated.

    Args:
        scenario: The scenario's folder, with its score.
        performance: The folder of the performance run.
        accuracy: That of the accuracy run.
        into: The scenario's folder in the tree.
        kept: The same in the folder of originals, for the whole accuracy log.

    Raises:
        InputError: a file is missing, or the accuracy log is not the one that was scored.
    """
    answers = into / RUN_FOLDERS[Mode.ACCURACY]
    for name in (DETAIL, SUMMARY):
        copy_file(performance / name, into / RUN_FOLDERS[Mode.PERFORMANCE] / name)
        copy_file(accuracy / name, answers / name)
    copy_file(performance / USER_CONF, into / USER_CONF)
    log = accuracy / ANSWERS
    _require_scored(log, scenario)
    _keep(log, kept / RUN_FOLDERS[Mode.ACCURACY] / ANSWERS)
    truncate_log(log, answers / ANSWERS)
    text = (scenario / ACCURACY_TEXT).read_text()
    (answers / ACCURACY_TEXT).write_text(with_hash(text, log))


def add_client_files(scenario: Path, performance: Path, accuracy: Path, into: Path, kept: Path) -> None:
    """Copy the official client's results into a scenario's folder of a tree, byte for byte.

    Args:
        scenario: The scenario's folder, with its score.
        performance: The folder of the run, which has the client's report of both phases.
        accuracy: The folder of its accuracy phase, with the answers that were scored.
        into: The scenario's folder in the tree.
        kept: The same in the folder of originals, for the log of events and the answers.

    Raises:
        InputError: a file is missing, or the answers are not those that were scored.
    """
    report = client_folder(performance)
    for name in CLIENT_RESULTS:
        copy_file(report / name, into / name)
    answers = accuracy / PHASE_ANSWERS
    _require_scored(answers, scenario)
    for place, recorded in CLIENT_ORIGINALS.items():
        _keep(performance / recorded, kept / place)
    _keep(answers, kept / ANSWERS_OF_CLIENT)


def _require_scored(log: Path, scenario: Path) -> None:
    scored = Evaluation.read(scenario / ACCURACY_JSON).log_sha256
    if not log.is_file() or sha256_of(log) != scored:
        raise InputError(
            f"{log}: is not the log that {ACCURACY_JSON} scored; evaluate and judge the run again."
        )


def _keep(log: Path, into: Path) -> None:
    copy_file(log, into)
    into.chmod(0o400)  # whole answers, which the tree does not publish
