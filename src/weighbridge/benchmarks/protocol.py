"""What every benchmark task offers, so that nothing else needs to know a benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from pydantic import Field

from weighbridge.core.models import Model


class Part(Model):
    """One line of a score's breakdown: how many of `total` were right."""

    name: str
    right: int
    total: int


class Score(Model):
    """What the answers to one accuracy run are worth."""

    samples: int
    unparsable: int = Field(
        description="Answers that could not be read; the task's rules say how they count."
    )
    metrics: dict[str, float] = Field(description="By name; a round names the one that it gates.")
    baselines: dict[str, float] = Field(description="The same metrics for answers drawn at random.")
    parts: tuple[Part, ...] = Field(default=(), description="Where the gated metric was won and lost.")
    seed: int = Field(description="Of everything random in this score.")


@dataclass(frozen=True)
class Measure:
    """A metric as a ratio of two sums over the samples: what they gained over what they could have.

    Attributes:
        name: As the score names it, or a part of it.
        gained: n values.
        possible: n values; 0 where a sample has no part in the metric.
    """

    name: str
    gained: NDArray[np.float64]
    possible: NDArray[np.float64]

    @property
    def value(self) -> float:
        """The metric over all samples; 0 where nothing could be gained."""
        possible = float(self.possible.sum())
        return float(self.gained.sum()) / possible if possible else 0.0


@dataclass(frozen=True)
class PerSample:
    """A score, divided among its samples.

    Attributes:
        measures: The main metric first.
        groups: n names: of the subject, category or kind that a sample belongs to.
        readable: n flags: False where an answer could not be read.
    """

    measures: tuple[Measure, ...]
    groups: NDArray[np.object_]
    readable: NDArray[np.bool_]


@dataclass(frozen=True)
class Description:
    """What a person is told of a sample: what it is called, and what would have been right."""

    title: str
    truth: str


class Task(Protocol):
    """A benchmark's dataset columns, prompt and scorer."""

    name: str
    columns: tuple[str, ...]
    """Columns that a request is made of, the picture left out."""
    described_by: tuple[str, ...]
    """Columns that a description is made of, the picture left out."""
    picture_column: str | None

    def messages(self, row: Mapping[str, Any], picture_url: str | None) -> list[dict[str, Any]]:
        """Make the chat messages of one sample; `picture_url` is a data URL."""
        ...

    def truth(self, dataset: Path, splits: Sequence[str]) -> DataFrame:
        """Read what the scorer compares with, one row a sample, without touching the pictures.

        Raises:
            InputError: a split or column is missing, or a value cannot be used.
        """
        ...

    def score(self, truth: DataFrame, answers: Sequence[str]) -> Score:
        """Score the answers; `answers[i]` belongs to row i of the truth."""
        ...

    def per_sample(self, truth: DataFrame, answers: Sequence[str]) -> PerSample:
        """Divide the score of the answers among the samples."""
        ...

    def describe(self, row: Mapping[str, Any]) -> Description:
        """Describe a sample to a person; `row` has the columns `described_by`."""
        ...

    def accuracy_line(self, score: Score) -> str:
        """Word the gated metric as the official submission checker expects it in accuracy.txt."""
        ...

    def sample_answers(self, truth: DataFrame) -> list[tuple[str, str]]:
        """Write a right and a wrong answer to each sample, as a model would: for simulated servers."""
        ...
