"""Rules on what the submitter keeps: full accuracy logs, or the official client's log of events."""

from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.records.check_record import Complaint
from weighbridge.records.official_client import PHASE_ANSWERS
from weighbridge.records.run_record import ANSWERS, RunRecord
from weighbridge.records.score import ACCURACY_TEXT, hashes_in
from weighbridge.submission.checker.recorded_scenario import RecordedScenario
from weighbridge.submission.checker.score_rules import lines_of
from weighbridge.submission.checker.tree_paths import complaint_at, rules_of, scenario_paths
from weighbridge.submission.run_files import ANSWERS_OF_CLIENT, CLIENT_ORIGINALS
from weighbridge.submission.tree import RUN_FOLDERS, truncated


def check_originals(tree: Path, originals: Path, round_: Round) -> tuple[dict[str, bool], list[Complaint]]:
    """Compare each file that was kept with the tree: its hash, and the truncated form of an accuracy log.

    Args:
        tree: The folder that holds closed/ or open/.
        originals: The folder of full accuracy logs and of what proves the official client's results, with the
            same paths as in the tree.
        round_: The rules.

    Returns:
        For each kept file, by its path in the tree, whether it is proven; and a complaint for each other.
    """
    faults = dict(_faults(tree, originals, round_))
    remedy = "Put back the log that was scored, or score, judge and assemble again."
    complaints = [
        complaint_at(tree, tree / inside, fault, remedy)
        for inside, fault in faults.items()
        if fault is not None
    ]
    return {inside.as_posix(): fault is None for inside, fault in faults.items()}, complaints


def _faults(tree: Path, originals: Path, round_: Round) -> Iterator[tuple[Path, str | None]]:
    """Yield each kept file by its path in the tree, with what is wrong with it; None: nothing."""
    kept = {path.relative_to(originals) for path in originals.rglob(ANSWERS)}
    # Those of compliance runs lie elsewhere, and whole.
    logs = (each.folder / RUN_FOLDERS[Mode.ACCURACY] / ANSWERS for each in scenario_paths(tree))
    in_tree = {path.relative_to(tree) for path in logs if path.exists()}
    for inside in sorted(kept | in_tree):
        yield inside, _log_fault(tree / inside, originals / inside)
    if round_.evidence != "endpoints":
        return  # a result of the client beside LoadGen's is another's: nothing of it was kept here
    for path in scenario_paths(tree):
        rules = rules_of(path.scenario, round_)
        if rules is not None and path.is_judged_in(round_):
            recorded = _recorded(RecordedScenario(tree, path, rules, round_))
            for name in (*CLIENT_ORIGINALS, ANSWERS_OF_CLIENT):
                inside = path.folder.relative_to(tree) / name
                yield inside, _client_fault(originals / inside, recorded.get(name))


def _log_fault(in_tree: Path, original: Path) -> str | None:
    if not original.is_file():
        return "its full log was not kept"
    if not in_tree.is_file():
        return "the tree does not hold it, although its full log was kept"
    text = in_tree.parent / ACCURACY_TEXT
    try:
        hashes = hashes_in(lines_of(text))
    except (OSError, UnicodeDecodeError):
        hashes = []
    if hashes != [sha256_of(original)]:
        return "the hash in accuracy.txt is not that of the full log"
    return (
        None
        if in_tree.read_bytes() == truncated(original)
        else "it is not the truncated form of the full log"
    )


def _recorded(scenario: RecordedScenario) -> dict[Path, str | None]:
    """Return the hashes of the kept files, by their names, that the records of a scenario's runs have."""
    logs = {}
    for run in Mode:
        try:
            logs[run] = RunRecord.read(scenario.records / f"{run}.json").logs
        except InputError:  # told by record_rules
            logs[run] = {}
    found = {place: logs[Mode.PERFORMANCE].get(name) for place, name in CLIENT_ORIGINALS.items()}
    return {**found, ANSWERS_OF_CLIENT: logs[Mode.ACCURACY].get(PHASE_ANSWERS)}


def _client_fault(original: Path, recorded: str | None) -> str | None:
    if not original.is_file():
        return "it was not kept"
    if recorded is None:
        return "the records name no hash of it"
    return None if sha256_of(original) == recorded else "the hash in the records is not that of the kept file"
