"""The evidence of single requests that a tree carries beside the records of a run.

    <Scenario>/performance/requests.parquet        every request: sample, times, tokens, outcome
    <Scenario>/performance/errors.jsonl            its failed requests: empty, or not in the tree
    <Scenario>/performance/sampled_answers.jsonl   a random share of its answers, with their text
    <Scenario>/accuracy/...                        the same of the accuracy run, as far as there is any
    <Scenario>/TEST06/...                          the same of a compliance run, and its audit.config
    <Scenario>/score.json                          accuracy.json of the accuracy run

The files are copied byte for byte, so that the hashes in the run's record hold for them.
"""

from collections.abc import Iterator
from pathlib import Path

from weighbridge.records.run_record import AUDIT_CONFIG, ERRORS_FILE, REQUESTS_TABLE, SAMPLED_ANSWERS
from weighbridge.submission.tree import LARGEST_FILE_BYTES, copy_file

EVIDENCE = (REQUESTS_TABLE, ERRORS_FILE, SAMPLED_ANSWERS, AUDIT_CONFIG)
SCORE = "score.json"


def copy_evidence(run: Path, into: Path) -> Iterator[str]:
    """Copy a run's evidence into a folder of the tree, and yield a sentence for each file that stays out.

    Raises:
        InputError: a file cannot be copied.
    """
    for name in EVIDENCE:
        path = run / name
        if not path.is_file():
            continue
        reason = _not_published(path)
        if reason is None:
            copy_file(path, into / name)
        else:
            yield f"{path}: stays out of the tree, because {reason}; `weighbridge verify` will say so."


def _not_published(path: Path) -> str | None:
    size = path.stat().st_size
    if path.name == ERRORS_FILE and size:
        # Texts of servers and systems name machines and paths, and no edited copy would have the hash.
        return "the texts of errors can name machines, paths and keys"
    return f"it is larger than {LARGEST_FILE_BYTES >> 20} MB" if size > LARGEST_FILE_BYTES else None
