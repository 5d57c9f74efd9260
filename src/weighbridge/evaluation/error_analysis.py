"""Analyse an accuracy run's errors: confidence intervals, the groups that lost most, and examples."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from weighbridge.benchmarks.protocol import Measure, PerSample
from weighbridge.config.round import Round
from weighbridge.evaluation.evaluate import Answered, read_answered
from weighbridge.evaluation.intervals import ratio_interval

_GROUPS = 6
_EXAMPLES = 3
_UNPARSABLE = 20
# Characters: an answer that repeats itself can be as long as the token limit, and an article much longer.
_ANSWER_LIMIT, _TEXT_LIMIT = 2000, 20_000
_IMAGE_PIXELS = 160  # longer side of a thumbnail


@dataclass(frozen=True)
class Level:
    """One metric, or one level of a hierarchical metric, with its confidence interval.

    Attributes:
        name: Name of the metric or level.
        value: Its value over all samples, as the metric is stated: a share, or in percent.
        low: Lower bound of the 95 % confidence interval.
        high: Upper bound.
        samples: Number of samples that contribute to it.
    """

    name: str
    value: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True)
class Example:
    """A sample whose answer lost points.

    Attributes:
        sample: Index in the dataset.
        title: Short description for people.
        truth: The correct answer, in the format of an answer.
        answer: The model's answer, shortened to 2,000 characters.
        image: A small JPEG; None if the sample has no image that can be decoded.
        text: The long text that the sample is about, shortened to 20,000 characters; None if it has none.
        value: The main metric of this sample alone.
    """

    sample: int
    title: str
    truth: str
    answer: str
    image: bytes | None
    text: str | None
    value: float


@dataclass(frozen=True)
class Group:
    """The samples of one group.

    Attributes:
        name: The task's name of the group.
        value: The main metric over this group alone.
        samples: Number of samples.
        lost: How much the main metric over all samples would rise if every answer of the group were right.
        examples: The samples that lost most, those with parsable answers first.
    """

    name: str
    value: float
    samples: int
    lost: float
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Unparsable:
    """An answer that could not be parsed, shortened to 2,000 characters."""

    sample: int
    answer: str


@dataclass(frozen=True)
class ErrorAnalysis:
    """The error analysis of one accuracy run.

    Attributes:
        levels: The main metric, then its levels, then the other metrics.
        groups: Up to 6 groups that score no better than the whole, the one that lost most first.
        unparsable: The first 20 answers that could not be parsed.
        unparsable_total: Number of answers that could not be parsed.
    """

    levels: tuple[Level, ...]
    groups: tuple[Group, ...]
    unparsable: tuple[Unparsable, ...]
    unparsable_total: int

    @property
    def illustrated(self) -> bool:
        """Whether any example has an image."""
        return any(example.image is not None for group in self.groups for example in group.examples)


def analyse_errors(
    *, logs: Path, dataset: Path, prompt: Path | None, round_: Round, model: Path | None = None
) -> ErrorAnalysis:
    """Analyse the answers of an accuracy run.

    Args:
        logs: Folder of the run.
        dataset: Folder of the dataset.
        prompt: The benchmark's prompt file, if it has one.
        round_: Names the benchmark, the splits and the number of samples.
        model: The model's folder, for answers that are token ids.

    Raises:
        InputError: the log is incomplete or damaged, or the dataset is not the round's.
    """
    run = read_answered(logs=logs, dataset=dataset, prompt=prompt, model=model, round_=round_)
    scored = run.task.per_sample(run.truth, run.answers)
    unreadable = np.flatnonzero(~scored.readable)
    return ErrorAnalysis(
        levels=tuple(map(_level, scored.measures)),
        groups=_worst_groups(run, scored, dataset, round_.splits),
        unparsable=tuple(
            Unparsable(sample, _shortened(run.answers[sample]))
            for sample in unreadable[:_UNPARSABLE].tolist()
        ),
        unparsable_total=len(unreadable),
    )


def _level(measure: Measure) -> Level:
    low, high = ratio_interval(measure.gained, measure.possible)
    scale, samples = measure.scale, int(np.count_nonzero(measure.possible))
    return Level(measure.name, measure.value, scale * low, scale * high, samples)


def _worst_groups(
    run: Answered, scored: PerSample, dataset: Path, splits: Sequence[str]
) -> tuple[Group, ...]:
    """Return the groups that lost most of the main metric; all losses add up to what it lacks."""
    main = scored.measures[0]
    names, group_of = np.unique(scored.groups.astype(str), return_inverse=True)
    gained, possible = (np.bincount(group_of, weights) for weights in (main.gained, main.possible))
    values = np.divide(gained, possible, out=np.zeros_like(gained), where=possible > 0)
    lost = (possible - gained) / max(possible.sum(), 1)
    whole = gained.sum() / max(possible.sum(), 1)
    worst = [
        group for group in np.argsort(-lost, kind="stable") if lost[group] > 0 and values[group] <= whole
    ][:_GROUPS]
    chosen = {group: _worst_samples(scored, group_of == group) for group in worst}
    shown = [sample for samples in chosen.values() for sample in samples]
    examples = _examples(run, main, dataset, splits, shown)
    return tuple(
        Group(
            name=str(names[group]),
            value=main.scale * float(values[group]),
            samples=int((group_of == group).sum()),
            lost=main.scale * float(lost[group]),
            examples=tuple(examples[sample] for sample in samples),
        )
        for group, samples in chosen.items()
    )


def _worst_samples(scored: PerSample, inside: NDArray[np.bool_]) -> list[int]:
    """Return the samples that lost most; wrong answers come before unparsable ones, which explain less."""
    main = scored.measures[0]
    lost = main.possible - main.gained
    candidates = np.flatnonzero(inside & (lost > 0))
    order = np.lexsort((candidates, -lost[candidates], ~scored.readable[candidates]))
    return [int(sample) for sample in candidates[order[:_EXAMPLES]]]


def _examples(
    run: Answered, main: Measure, dataset: Path, splits: Sequence[str], samples: Sequence[int]
) -> dict[int, Example]:
    task = run.task
    examples = {}
    rows = task.samples(dataset, splits).rows(task.described_by, samples)
    values = main.scale * np.divide(main.gained, main.possible, out=0 * main.gained, where=main.possible > 0)
    for sample, row in rows.items():
        description = task.describe(row)
        examples[sample] = Example(
            sample=sample,
            title=description.title,
            truth=description.truth,
            answer=_shortened(run.answers[sample]),
            image=None if description.image is None else _thumbnail(description.image),
            text=None if description.text is None else _shortened(description.text, _TEXT_LIMIT),
            value=float(values[sample]),
        )
    return examples


def _shortened(text: str, limit: int = _ANSWER_LIMIT) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _thumbnail(image: bytes) -> bytes | None:
    """Return an upright JPEG thumbnail on white, a few kilobytes; None if the image cannot be decoded."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.draft("RGB", (2 * _IMAGE_PIXELS, 2 * _IMAGE_PIXELS))  # decode at lower resolution
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        return None
    upright.thumbnail((_IMAGE_PIXELS, _IMAGE_PIXELS))
    white = Image.new("RGBA", upright.size, "white")
    buffer = io.BytesIO()
    Image.alpha_composite(white, upright).convert("RGB").save(buffer, format="JPEG", quality=80)
    return buffer.getvalue()
