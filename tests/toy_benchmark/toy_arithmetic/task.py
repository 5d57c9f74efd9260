"""The task: dataset columns to requests, and answers to scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pandas import DataFrame

from toy_arithmetic import scoring
from weighbridge.benchmarks.plain_dataset import PlainDataset
from weighbridge.benchmarks.protocol import Description, PerSample
from weighbridge.benchmarks.text_answers import TextAnswers
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import read_columns
from weighbridge.core.openai_api import Api
from weighbridge.records.score import Score

_LEFT, _OPERATOR, _RIGHT, _RESULT = "left", "operator", "right", "result"


class Arithmetic(TextAnswers, PlainDataset):
    """Task of the toy-arithmetic benchmark: a text to /v1/completions, no chat."""

    api = Api.COMPLETIONS
    columns: tuple[str, ...] = (_LEFT, _OPERATOR, _RIGHT)
    described_by: tuple[str, ...] = (_LEFT, _OPERATOR, _RIGHT, _RESULT)

    def envelope(
        self, model_name: str, settings: RequestSettings
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Return the fields of every request before and after its prompt; unset sampling is left out."""
        before: dict[str, object] = {"model": model_name}
        after: dict[str, object] = settings.sampling.model_dump(exclude_none=True)
        if settings.stream:
            before["stream"] = True
            after["stream_options"] = {"include_usage": True}
        return before, after

    def prompt_of(self, row: Mapping[str, Any], settings: RequestSettings) -> str:
        """Return the question as a text to complete, such as '17 + 25 ='."""
        return f"{row[_LEFT]} {row[_OPERATOR]} {row[_RIGHT]} ="

    def truth(self, dataset: Path, splits: Sequence[str]) -> DataFrame:
        """Read operator and result of every question.

        Raises:
            InputError: a split or column is missing.
        """
        return read_columns(dataset, splits, [_OPERATOR, _RESULT])

    def score(
        self,
        truth: DataFrame,
        answers: Sequence[str],
        order: Sequence[int] = (),
    ) -> Score:
        """Score the answers: `exact` and `length_ratio` are both gated."""
        return scoring.score(truth, answers)

    def per_sample(self, truth: DataFrame, answers: Sequence[str]) -> PerSample:
        """Divide both metrics among the questions, grouped by operator."""
        return scoring.per_sample(truth, answers)

    def describe(self, row: Mapping[str, Any]) -> Description:
        """Return the question and its result."""
        return Description(title=f"{row[_LEFT]} {row[_OPERATOR]} {row[_RIGHT]}", truth=str(row[_RESULT]))

    def accuracy_line(self, score: Score) -> str:
        """Return both metrics as a JSON object with plain decimal numbers, as checkers read them."""
        return "{" + ", ".join(f'"{name}": {value:.9f}' for name, value in score.metrics.items()) + "}"

    def sample_answers(self, truth: DataFrame) -> list[tuple[str, str]]:
        """Return the result, and a number one larger, as a model would write them."""
        return [(f" {result}", f" {result + 1}") for result in truth[_RESULT]]
