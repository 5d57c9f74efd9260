"""The interface of a benchmark plug-in; code outside a benchmark's package uses only this interface.

A benchmark is a package: a folder beside this file, or an installed package with an entry point in the group
`weighbridge.benchmarks`. Either provides one object that implements `Benchmark`. Its folder contains
`rounds/*.yaml` and may contain `published.yaml`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.content_index import ContentIndex
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import DatasetSamples
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.records.score import Score


@dataclass(frozen=True)
class Measure:
    """A metric as a ratio of two sums over the samples: points gained over points possible.

    Attributes:
        name: Name of the metric, or of a part of it.
        gained: Points gained by each sample, shape (n,).
        possible: Points possible for each sample, shape (n,); 0 if a sample does not count in the metric.
        scale: What the ratio is multiplied by, such as 100 where the metric is stated in percent.
    """

    name: str
    gained: NDArray[np.float64]
    possible: NDArray[np.float64]
    scale: float = 1.0

    @property
    def value(self) -> float:
        """The metric over all samples; 0 if no points are possible."""
        possible = float(self.possible.sum())
        return self.scale * float(self.gained.sum()) / possible if possible else 0.0


@dataclass(frozen=True)
class PerSample:
    """Scores of the single samples.

    Attributes:
        measures: Metrics, the main one first.
        groups: Name of each sample's group, such as a subject or category, shape (n,).
        readable: Whether each answer could be parsed, shape (n,).
    """

    measures: tuple[Measure, ...]
    groups: NDArray[np.object_]
    readable: NDArray[np.bool_]


@dataclass(frozen=True)
class Description:
    """Description of a sample for people.

    Attributes:
        title: Short name of the sample.
        truth: The right answer, in the format of an answer.
        image: Bytes of an image file; None if the sample has no image.
        text: A long text that the sample is about, such as an article; None if it has none.
    """

    title: str
    truth: str
    image: bytes | None = None
    text: str | None = None


class Task(Protocol):
    """A benchmark's dataset columns, requests and scorer."""

    api: Api
    answers: AnswerKind
    """What of an answer is kept and scored."""
    columns: tuple[str, ...]
    """Dataset columns that a request is built from."""
    described_by: tuple[str, ...]
    """Dataset columns that a description is built from."""

    def envelope(
        self, model_name: str, settings: RequestSettings
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Return the JSON fields before and after the prompt, which are the same in every request.

        Raises:
            InputError: the settings ask for what this task cannot send.
        """
        ...

    def prompt_of(self, row: Mapping[str, Any], settings: RequestSettings) -> object:
        """Return one sample's prompt: chat messages, a text or token ids, depending on `api`.

        Raises:
            InputError: the row cannot be encoded.
        """
        ...

    def samples(self, dataset: Path, splits: Sequence[str]) -> DatasetSamples:
        """Return the samples of a dataset's folder: their files, what their columns are called, their order.

        Raises:
            InputError: the folder is missing, or a split has no file.
        """
        ...

    def check_samples(self, samples: DatasetSamples) -> Sequence[str]:
        """Look at a few samples before all are encoded; return sentences that a user must know.

        Raises:
            InputError: requests from these samples would be of no use.
        """
        ...

    def texts(self, answers: Sequence[tuple[int, bytes]]) -> list[str]:
        """Return the text of each answer, from the sample's number and the bytes that are kept.

        Raises:
            InputError: the bytes are no answer; the message names the sample.
        """
        ...

    def encoded(self, texts: Sequence[str]) -> list[bytes]:
        """Return the bytes that are kept of answers with these texts; token ids end with an end of sequence.

        Raises:
            InputError: the model's tokenizer is needed, and is missing or cannot be used.
        """
        ...

    def truth(self, dataset: Path, splits: Sequence[str]) -> DataFrame:
        """Read the ground truth, one row per sample in the order of the samples.

        Raises:
            InputError: a split or column is missing, or a value cannot be used.
        """
        ...

    def score(self, truth: DataFrame, answers: Sequence[str], order: Sequence[int]) -> Score:
        """Return the scores of the answers.

        Args:
            truth: One row a sample.
            answers: The answer to each row of the truth.
            order: All rows, in the order of the accuracy log, for references whose last digits depend on it.
        """
        ...

    def per_sample(self, truth: DataFrame, answers: Sequence[str]) -> PerSample:
        """Return the scores of the single samples; `answers[i]` belongs to row i of the truth."""
        ...

    def describe(self, row: Mapping[str, Any]) -> Description:
        """Return a description of a sample; `row` has the columns `described_by`."""
        ...

    def accuracy_line(self, score: Score) -> str:
        """Return the line of accuracy.txt that the official submission checker reads the metrics from."""
        ...

    def sample_answers(self, truth: DataFrame) -> list[tuple[str, str]]:
        """Return a right and a wrong answer to each sample, for simulated servers."""
        ...

    def content_index(
        self, dataset: Path, splits: Sequence[str], bodies: Iterable[memoryview]
    ) -> ContentIndex:
        """Return what finds the sample of a request by its content, for simulated servers.

        Args:
            dataset: Folder of the dataset.
            splits: Its splits, in the order of the samples.
            bodies: Our own body of each sample's request, in the same order.

        Raises:
            InputError: a split or column is missing.
        """
        ...


class TokenCounter(Protocol):
    """Counts the tokens of prompts as a model's server does."""

    def count(self, prompts: Sequence[Any]) -> Sequence[int]:
        """Return the number of tokens of each prompt."""
        ...


class Benchmark(Protocol):
    """A benchmark as a plug-in."""

    name: str
    """Name in rounds and submission trees."""
    folder: Path
    """Folder with rounds/*.yaml and, if results were published, published.yaml."""
    has_answer_schema: bool
    """Whether its prompt states a JSON schema of answers, which requests can demand (guided decoding)."""
    answer_tokens: int
    """Number of tokens that the context must leave for an answer."""
    input_data_types: str
    """Data types of the model's input for measurements.json, such as 'int32 token ids'."""
    needs_tokenizer: bool
    """Whether requests or answers are token ids, which the model's tokenizer makes or reads."""
    reference_weights: str
    """Name of the reference's weights, shown as an example for measurements.json."""

    def task(self, prompt: Path | None, model: Path | None = None) -> Task:
        """Return the task with the fixed texts of a prompt file and the tokenizer of a model.

        Args:
            prompt: The prompt file, if the benchmark has one.
            model: Folder of the model; None: not on this machine. Only tasks whose prompts or answers are
                token ids need it, and say so when they do.

        Raises:
            InputError: a required file is missing, or the file cannot be used.
        """
        ...

    def check_prompt(self, prompt: Path, pins: Mapping[str, str]) -> None:
        """Check the sha256 of a prompt file's texts; `pins` are the round's hashes by name.

        Raises:
            InputError: a text differs; the message names it.
        """
        ...

    def extract_prompt(self, reference: Proof, pins: Mapping[str, str], out: Path) -> None:
        """Extract the official prompt from its source and write it as a prompt file.

        Args:
            reference: Proof of the reference implementation or, in rounds whose results the official
                endpoints client makes, of that client.
            pins: The round's hashes by name.
            out: The prompt file.

        Raises:
            SetupError: the source is not structured as expected.
            InputError: the prompt is not the round's, or the benchmark has no official prompt.
        """
        ...

    def synthesise(self, kind: ArtifactKind, samples: int, folder: Path, splits: Sequence[str] = ()) -> None:
        """Generate a synthetic dataset or model for a rehearsal; the same arguments give the same bytes.

        Args:
            kind: The kind of artifact.
            samples: Number of the dataset's samples.
            folder: The folder to write, which does not exist.
            splits: Of one of a round's further datasets, in the order that numbers the samples; given for
                these alone. Empty: those of the benchmark's own dataset.

        Raises:
            InputError: this kind of artifact cannot be generated.
        """
        ...

    def token_counter(self, model: Path) -> TokenCounter | None:
        """Return a counter for the model in a folder; None if the folder has no tokenizer."""
        ...
