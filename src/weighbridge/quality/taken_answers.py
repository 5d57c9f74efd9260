"""Write the answers of a measurement, take over those of an interrupted one, and set others aside."""

from collections.abc import Mapping
from pathlib import Path

from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.records.quality_answers import (
    ANSWERS_FOLDER,
    MEASURED,
    MeasuredQuality,
    SubjectAnswers,
    answers_file,
)
from weighbridge.records.quality_scores import BY_DOMAIN, BY_SUBJECT, OVERALL, PASSED, SAMPLES
from weighbridge.run.replaced import finished, keep, set_aside

_NAME = "quality-mmlu"


def write_answers(out: Path, answers: SubjectAnswers) -> None:
    """Write a subject's answers.

    Raises:
        OSError: the folder cannot be written.
    """
    path = answers_file(out, answers.subject)
    write_atomic(path, answers.model_dump_json(indent=1) + "\n", private=True)


def take_over(
    out: Path, replaced: Path | None, rows: Mapping[str, tuple[int, ...]], identity: str
) -> dict[str, SubjectAnswers]:
    """Return the finished answers of the same measurement; set aside what lies there of another one.

    Those of a measurement that was finished, and whose measured.json was deleted since, are of another one:
    Snakemake or a person wants it made again.

    Args:
        out: Folder of the measurement.
        replaced: Folder of replaced results; None: what is of another one is deleted.
        rows: Questions that are asked, by subject.
        identity: Of all that the answers depend on.

    Raises:
        InputError: the second name of measured.json holds something else.
        OSError: a folder cannot be written.
    """
    taken, others = dict[str, SubjectAnswers](), list[Path]()
    made_again = replaced is not None and _was_finished(out, replaced)
    for path in sorted((out / ANSWERS_FOLDER).glob("*.json")):
        answers = None if made_again else _read(path)
        asked = rows.get(answers.subject) if answers is not None else None
        if (
            answers is not None
            and answers.identity == identity
            and answers.subject == path.stem
            and asked == tuple(question.idx for question in answers.questions)
        ):
            taken[answers.subject] = answers
        else:
            others.append(path)
    if others:
        # What was made of the others goes with them.
        made = [out / name for name in (MEASURED, OVERALL, BY_DOMAIN, BY_SUBJECT, SAMPLES, PASSED)]
        if replaced is None:
            for path in (*others, *made):
                path.unlink(missing_ok=True)
        else:
            set_aside(replaced, _NAME, *others, *made)
    return taken


def keep_measured(out: Path, replaced: Path | None) -> None:
    """Link measured.json, so that it outlives its deletion by Snakemake.

    The answers are no output that Snakemake knows, and need no link.

    Raises:
        OSError: the folder cannot be written.
    """
    if replaced is not None:
        keep(replaced, _NAME, out / MEASURED)


def _was_finished(out: Path, replaced: Path) -> bool:
    """Return whether the answers are those of a finished measurement whose measured.json was deleted."""
    kept = finished(replaced, _NAME) / MEASURED
    if (out / MEASURED).exists() or not kept.is_file():
        return False
    files = (out / ANSWERS_FOLDER).glob("*.json")
    return MeasuredQuality.read(kept).answers == {path.stem: sha256_of(path) for path in files}


def _read(path: Path) -> SubjectAnswers | None:
    try:
        return SubjectAnswers.read(path)
    except InputError:
        return None
