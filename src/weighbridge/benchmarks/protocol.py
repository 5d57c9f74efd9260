"""What every benchmark offers, so that nothing else needs to know any of them.

A benchmark is a package: a folder beside this file, or someone else's package that names its benchmark in an
entry point of the group `weighbridge.benchmarks`. Either exposes one object that satisfies `Benchmark`. Its
folder holds `rounds/*.yaml` and may hold `published.yaml`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.config.settings import RequestSettings
from weighbridge.core.openai_api import Api
from weighbridge.records.score import Score


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
    """A sample as a person sees it.

    Attributes:
        title: A short name of the sample.
        truth: The right answer, written as an answer.
        image: Bytes of an image file; None where the sample has none.
    """

    title: str
    truth: str
    image: bytes | None = None


class Task(Protocol):
    """A benchmark's dataset columns, requests and scorer."""

    api: Api
    columns: tuple[str, ...]
    """Columns of the dataset that a request is made of."""
    described_by: tuple[str, ...]
    """Columns of the dataset that a description is made of."""

    def envelope(
        self, model_name: str, settings: RequestSettings
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Return the fields of every request's JSON before and after its prompt; they are alike in all."""
        ...

    def prompt_of(self, row: Mapping[str, Any], settings: RequestSettings) -> object:
        """Return one sample's prompt: chat messages, a text or token ids, as `api` says.

        Raises:
            InputError: the row cannot be used.
        """
        ...

    def truth(self, dataset: Path, splits: Sequence[str]) -> DataFrame:
        """Read what the scorer compares with, one row a sample.

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
        """Return the line of accuracy.txt that the official submission checker reads the metrics from."""
        ...

    def sample_answers(self, truth: DataFrame) -> list[tuple[str, str]]:
        """Return a right and a wrong answer to each sample, as a model writes them: for simulated servers."""
        ...


class TokenCounter(Protocol):
    """Counts the tokens of prompts as a model's server does."""

    def count(self, prompts: Sequence[Any]) -> Sequence[int]:
        """Return the number of tokens of each prompt."""
        ...


class Benchmark(Protocol):
    """A benchmark as a plug-in."""

    name: str
    """As rounds and submission trees call it."""
    folder: Path
    """Holds rounds/*.yaml and, where results were published, published.yaml."""
    answer_tokens: int
    """Tokens that an answer may need; a prompt must leave room for them."""
    input_data_types: str
    """What goes into the model, for measurements.json, such as 'int32 token ids'."""
    reference_weights: str
    """Name of the reference's weights, as an example for measurements.json."""

    def task(self, prompt: Path | None) -> Task:
        """Return the task with the fixed texts of a prompt file.

        Raises:
            InputError: the file is missing where one is needed, or cannot be used.
        """
        ...

    def check_prompt(self, prompt: Path, pins: Mapping[str, str]) -> None:
        """Compare the texts of a prompt file with the round's sha256, by name.

        Raises:
            InputError: naming the text that differs.
        """
        ...

    def extract_prompt(self, reference: Proof, pins: Mapping[str, str], out: Path) -> None:
        """Write the official prompt file, taken from the proven reference.

        Raises:
            SetupError: the reference is not built as expected.
            InputError: its prompt is not the round's, or the benchmark takes none from the reference.
        """
        ...

    def synthesise(self, kind: ArtifactKind, samples: int, folder: Path) -> None:
        """Make up a dataset or a model for a rehearsal; the same number gives the same bytes.

        Raises:
            InputError: nothing of this kind can be made up.
        """
        ...

    def token_counter(self, model: Path) -> TokenCounter | None:
        """Return what counts prompts for a model's folder; None where the folder holds no tokenizer."""
        ...
