"""What an accuracy run's answers are like: how sure its scores are, where points were lost, and examples."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from weighbridge.benchmarks.protocol import Measure, PerSample
from weighbridge.config.round import Round
from weighbridge.core.parquet import read_rows
from weighbridge.evaluation.evaluate import Answered, read_answered
from weighbridge.evaluation.intervals import ratio_interval

_GROUPS = 6
_EXAMPLES = 3
_UNPARSABLE = 20
_TEXT_LIMIT = 2000  # characters; a model that repeats itself writes up to its length limit
_PICTURE_PIXELS = 160


@dataclass(frozen=True)
class Level:
    """One metric, or a level of it.

    Attributes:
        name: As in the score: first the main metric.
        value: Over all samples.
        low: Where it is at least, with 95 % confidence.
        high: Where it is at most.
        samples: Samples that have a part in it.
    """

    name: str
    value: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True)
class Example:
    """A sample that lost points.

    Attributes:
        sample: Its number in the dataset.
        title: What a person calls it.
        truth: The right answer, written as an answer.
        answer: As the model wrote it, shortened if very long.
        picture: A small JPEG; None where the sample has none that can be read.
    """

    sample: int
    title: str
    truth: str
    answer: str
    picture: bytes | None


@dataclass(frozen=True)
class Group:
    """Samples of one kind.

    Attributes:
        name: What the task calls them.
        value: The main metric over these samples alone.
        samples: How many they are.
        lost: By how much the main metric over all samples would rise, were all of these right.
        examples: Those that lost most, the readable ones first.
    """

    name: str
    value: float
    samples: int
    lost: float
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Unparsable:
    """An answer that could not be read, as it was; shortened if very long."""

    sample: int
    answer: str


@dataclass(frozen=True)
class Study:
    """All of it.

    Attributes:
        levels: The main metric, its levels, and the other metrics.
        groups: Those that score no better than the whole, the costliest first.
        unparsable: The first unreadable answers.
        unparsable_total: How many there are.
    """

    levels: tuple[Level, ...]
    groups: tuple[Group, ...]
    unparsable: tuple[Unparsable, ...]
    unparsable_total: int


def study(*, logs: Path, dataset: Path, prompt: Path | None, round_: Round) -> Study:
    """Look at the answers of the accuracy run in folder `logs`.

    Args:
        logs: Folder of the run.
        dataset: Folder of the dataset.
        prompt: The benchmark's prompt file, where it has one.
        round_: Which benchmark, splits and number of samples.

    Raises:
        InputError: the log is incomplete or damaged, or the dataset is not the round's.
    """
    run = read_answered(logs=logs, dataset=dataset, prompt=prompt, round_=round_)
    divided = run.task.per_sample(run.truth, run.answers)
    unreadable = np.flatnonzero(~divided.readable)
    return Study(
        levels=tuple(map(_level, divided.measures)),
        groups=_worst_groups(run, divided, dataset, round_.splits),
        unparsable=tuple(
            Unparsable(sample, _shortened(run.answers[sample]))
            for sample in unreadable[:_UNPARSABLE].tolist()
        ),
        unparsable_total=len(unreadable),
    )


def _level(measure: Measure) -> Level:
    low, high = ratio_interval(measure.gained, measure.possible)
    return Level(measure.name, measure.value, low, high, int(np.count_nonzero(measure.possible)))


def _worst_groups(
    run: Answered, divided: PerSample, dataset: Path, splits: Sequence[str]
) -> tuple[Group, ...]:
    """Find where the main metric is lost; what all groups lose adds up to what it lacks to 1."""
    main = divided.measures[0]
    names, group_of = np.unique(divided.groups.astype(str), return_inverse=True)
    gained, possible = (np.bincount(group_of, weights) for weights in (main.gained, main.possible))
    values = np.divide(gained, possible, out=np.zeros_like(gained), where=possible > 0)
    lost = (possible - gained) / max(possible.sum(), 1)
    whole = gained.sum() / max(possible.sum(), 1)
    worst = [
        group for group in np.argsort(-lost, kind="stable") if lost[group] > 0 and values[group] <= whole
    ][:_GROUPS]
    chosen = {group: _worst_samples(divided, group_of == group) for group in worst}
    examples = _examples(run, dataset, splits, [sample for samples in chosen.values() for sample in samples])
    return tuple(
        Group(
            name=str(names[group]),
            value=float(values[group]),
            samples=int((group_of == group).sum()),
            lost=float(lost[group]),
            examples=tuple(examples[sample] for sample in samples),
        )
        for group, samples in chosen.items()
    )


def _worst_samples(divided: PerSample, inside: NDArray[np.bool_]) -> list[int]:
    """Choose the samples that lost most; a wrong answer that can be read tells more than one that cannot."""
    main = divided.measures[0]
    lost = main.possible - main.gained
    candidates = np.flatnonzero(inside & (lost > 0))
    order = np.lexsort((candidates, -lost[candidates], ~divided.readable[candidates]))
    return [int(sample) for sample in candidates[order[:_EXAMPLES]]]


def _examples(
    run: Answered, dataset: Path, splits: Sequence[str], samples: Sequence[int]
) -> dict[int, Example]:
    task = run.task
    examples = {}
    for sample, row in read_rows(dataset, splits, task.described_by, samples).items():
        description = task.describe(row)
        examples[sample] = Example(
            sample=sample,
            title=description.title,
            truth=description.truth,
            answer=_shortened(run.answers[sample]),
            picture=None if description.image is None else _thumbnail(description.image),
        )
    return examples


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_LIMIT else f"{text[: _TEXT_LIMIT - 1]}…"


def _thumbnail(image: bytes) -> bytes | None:
    """Shrink a picture, upright and on white, to a JPEG of some kilobytes."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.draft("RGB", (2 * _PICTURE_PIXELS, 2 * _PICTURE_PIXELS))  # a large JPEG is decoded small
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        return None
    upright.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
    white = Image.new("RGBA", upright.size, "white")
    buffer = io.BytesIO()
    Image.alpha_composite(white, upright).convert("RGB").save(buffer, format="JPEG", quality=80)
    return buffer.getvalue()
