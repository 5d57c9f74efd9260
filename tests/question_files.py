"""Files of multiple-choice questions in the form of cais/mmlu."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from weighbridge.quality.questions import set_definitions

Row = dict[str, object]


def row_of(subject: str, number: int) -> Row:
    """Return a question whose right answer is 'A' for the first, and so on."""
    choices = [f"{subject} {number}, choice {letter}" for letter in "ABCD"]
    return {
        "question": f"{subject}: {number}?",
        "subject": subject,
        "choices": choices,
        "answer": number % 4,
    }


def rows_of(sizes: Mapping[str, int]) -> list[Row]:
    """Return the questions of subjects, one subject after the other."""
    return [row_of(subject, number) for subject, size in sizes.items() for number in range(size)]


def write_split(folder: Path, split: str, rows: Sequence[Row]) -> None:
    """Write all/SPLIT-00000-of-00001.parquet."""
    (folder / "all").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "all" / f"{split}-00000-of-00001.parquet")


def mmlu_sizes() -> dict[str, int]:
    """Return sizes of MMLU's subjects, not the real ones, with the real sum."""
    mmlu = set_definitions().mmlu
    assert mmlu.test_questions is not None
    subjects = sorted(mmlu.domain_of)
    sizes = {subject: 100 + number for number, subject in enumerate(subjects)}
    return sizes | {subjects[0]: mmlu.test_questions - sum(sizes.values()) + sizes[subjects[0]]}


def write_mmlu(folder: Path) -> dict[str, int]:
    """Write a set with MMLU's subjects and number of questions; return the number of each subject."""
    sizes = mmlu_sizes()
    write_split(folder, "dev", rows_of(dict.fromkeys(sizes, 5)))
    write_split(folder, "test", rows_of(sizes))
    return sizes
