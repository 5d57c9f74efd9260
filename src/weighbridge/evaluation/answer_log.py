"""The answers of an accuracy run, whichever driver logged them: LoadGen, or the official endpoints client."""

from pathlib import Path

from weighbridge.client.kept_answers import read_kept_answers
from weighbridge.core.errors import InputError
from weighbridge.loadgen import logs
from weighbridge.records.official_client import PHASE_ANSWERS
from weighbridge.records.run_record import ANSWERS


def answer_log(folder: Path) -> Path:
    """Return the file with the answers in a run's folder; that of LoadGen, where there is none."""
    of_client = folder / PHASE_ANSWERS
    return of_client if of_client.is_file() and not (folder / ANSWERS).is_file() else folder / ANSWERS


def has_answers(log: Path) -> bool:
    """Return whether a file of answers is there, and was not truncated for a submission."""
    return log.is_file() if log.name == PHASE_ANSWERS else logs.has_answers(log)


def read_answers(log: Path, samples: int) -> dict[int, bytes]:
    """Read an accuracy run's answers as the driver got them, by sample, in the order of the log.

    Raises:
        InputError: the log is missing, truncated or damaged, or a sample has no answer, several, or is none
            of the round's.
    """
    if log.name != PHASE_ANSWERS:
        return logs.read_answers(log, samples)
    kept = read_kept_answers(log, samples)
    answers = {each.sample: each.payload for each in kept}
    if len(answers) < len(kept):
        raise InputError(f"{log}: answers a sample more than once; repeat the run.")
    if len(answers) < samples:
        raise InputError(
            f"{log}: {samples - len(answers)} of {samples} samples have no answer; repeat the run."
        )
    return answers
