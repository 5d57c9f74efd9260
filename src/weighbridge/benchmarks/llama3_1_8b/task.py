"""Task of the benchmark: summarise a news article."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pandas import DataFrame

from weighbridge.benchmarks.llama3_1_8b import scoring as summary_scoring
from weighbridge.benchmarks.llama3_1_8b.article_index import ArticleIndex
from weighbridge.benchmarks.llama3_1_8b.dataset import ARTICLE, SUMMARY, TOKENS, find_samples
from weighbridge.benchmarks.llama3_1_8b.prompt import Instruction
from weighbridge.benchmarks.protocol import Description, PerSample
from weighbridge.benchmarks.token_answers import TokenAnswers
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import DatasetSamples
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import Api
from weighbridge.records.score import Score

# A server takes what a request leaves out from the model's generation_config.json, which samples.
_REQUIRED = ("temperature", "top_p", "top_k", "seed", "max_tokens", "min_tokens")
_COMPARED = 64  # samples
_TITLE_CHARACTERS = 80
_NO_SUMMARY = "None."  # a wrong answer to every article


class NewsSummaries(TokenAnswers):
    """Task of the llama3.1-8b benchmark: prompts and answers are token ids."""

    api = Api.COMPLETIONS
    columns: tuple[str, ...] = (ARTICLE, TOKENS)
    described_by: tuple[str, ...] = (ARTICLE, SUMMARY)

    def __init__(self, instruction: Instruction | None, model: Path | None) -> None:
        """Take the text around articles and the model's folder, where there are any."""
        super().__init__(model)
        self._instruction = instruction

    def samples(self, dataset: Path, splits: Sequence[str]) -> DatasetSamples:
        """Return the samples of MLCommons' JSON files, or of the hub's Parquet files.

        Raises:
            InputError: a split is missing, or the hub's split has another number of articles.
        """
        return find_samples(dataset, splits)

    def check_samples(self, samples: DatasetSamples) -> tuple[str, ...]:
        """Compare ids that the dataset holds with those that instruction and tokenizer make of the articles.

        Other ids are told, because MLCommons' files are the authority. They are refused where they are not
        even the article's under this tokenizer: then it could not decode the answers either.

        Raises:
            InputError: the ids were made by another tokenizer, or there is none to make them with.
        """
        if TOKENS in samples.lacks:
            self._made_of("")  # what is missing for it is no fault of a sample
            return ()
        if self.model is None or self._instruction is None:
            return ()
        rows = samples.rows([ARTICLE, TOKENS], range(_COMPARED))
        different = []
        for sample, row in rows.items():
            try:
                if not self._is_as_made(self._checked(row[TOKENS]), row[ARTICLE], self._instruction):
                    different.append(sample)
            except InputError as error:
                raise InputError(
                    f"{samples.dataset}: sample {sample}: {error}; use another dataset."
                ) from None
        if not different:
            return ()
        return (
            f"{samples.dataset}: the ids of {len(different)} of {len(rows)} compared prompts, such as sample "
            f"{different[0]}, are not what the round's instruction and the model's tokenizer make of their "
            "articles; the dataset's are sent.",
        )

    def _is_as_made(self, prompt: list[int], article: str, instruction: Instruction) -> bool:
        """Return whether ids are those that this task would make of the article."""
        if prompt == self.tokenizer.prompt(instruction.around(article)):
            return True
        [decoded] = self.tokenizer.decode([np.array(prompt, dtype=np.int32)])
        # Without blanks, of which decoding may remove some.
        if "".join(article.split()) not in "".join(decoded.split()):
            raise InputError(
                "its tok_input is not of its article under the tokenizer of "
                f"{self.tokenizer.folder}, which then could not read the answers"
            )
        return False

    def _checked(self, ids: Sequence[int]) -> list[int]:
        """Return a prompt's ids, which must be the model's and begin as its prompts do."""
        if not ids or not all(isinstance(each, int) and each >= 0 for each in ids):
            raise InputError("its tok_input holds no token ids")
        if self.model is not None:
            if max(ids) >= self.tokenizer.vocabulary:
                raise InputError(f"its tok_input has {max(ids)}, which is not in the model's vocabulary")
            if self.tokenizer.first not in (None, ids[0]):
                raise InputError(f"its tok_input does not begin with the model's {self.tokenizer.first}")
        return list(ids)

    def envelope(
        self, model_name: str, settings: RequestSettings
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Return the JSON fields before and after the prompt: every sampling parameter, and a wish for ids.

        Raises:
            InputError: a sampling parameter is unset.
        """
        before: dict[str, object] = {"model": model_name}
        after: dict[str, object] = settings.sampling.model_dump(exclude_none=True)
        for name in _REQUIRED:
            if name not in after:
                raise InputError(
                    f"requests.sampling.{name} is not set, so that the server would decide; set it, or use "
                    "a round that does."
                )
        after["return_token_ids"] = True
        if settings.stream:
            after |= {"stream": True, "stream_options": {"include_usage": True}}
        return before, after

    def prompt_of(self, row: Mapping[str, Any], settings: RequestSettings) -> list[int]:  # noqa: ARG002
        """Return the ids of a prompt: the dataset's own, or those of the article within the instruction.

        Raises:
            InputError: the ids are not the model's, or there is no instruction or tokenizer to make them.
        """
        if TOKENS in row:
            return self._checked(row[TOKENS])
        return self._made_of(row[ARTICLE])

    def _made_of(self, article: str) -> list[int]:
        """Return the ids of the prompt for an article.

        Raises:
            InputError: there is no instruction or tokenizer.
        """
        if self._instruction is None:
            raise InputError(
                "prompts of articles need an instruction; set artifacts.reference or artifacts.prompt."
            )
        return self.tokenizer.prompt(self._instruction.around(article))

    def truth(self, dataset: Path, splits: Sequence[str]) -> DataFrame:
        """Read the summary of every article (`summary`) and the article's length (`article_characters`).

        Raises:
            InputError: a split or column is missing, or an article has no summary.
        """
        frame = self.samples(dataset, splits).frame([SUMMARY, ARTICLE])
        for column in (SUMMARY, ARTICLE):
            missing = frame[column].map(lambda text: not isinstance(text, str))
            if missing.any():
                row = int(missing.to_numpy().argmax())
                raise InputError(f"{dataset}: sample {row} has no {column}; use the round's dataset.")
        return DataFrame(
            {
                summary_scoring.REFERENCE: frame[SUMMARY],
                summary_scoring.ARTICLE_CHARACTERS: frame[ARTICLE].str.len(),
            }
        )

    def content_index(
        self,
        dataset: Path,
        splits: Sequence[str],
        bodies: Iterable[memoryview],  # noqa: ARG002 - they hold token ids
    ) -> ArticleIndex:
        """Return an index of the articles."""
        return ArticleIndex(list(self.samples(dataset, splits).frame([ARTICLE])[ARTICLE]))

    def describe(self, row: Mapping[str, Any]) -> Description:
        """Return the beginning of the article as title, its summary, and all of it."""
        article = str(row[ARTICLE]).strip()
        return Description(title=article[:_TITLE_CHARACTERS], truth=str(row[SUMMARY]), text=article)

    def sample_answers(self, truth: DataFrame) -> list[tuple[str, str]]:
        """Return the reference's summary and a useless one, for simulated servers."""
        return [(text, _NO_SUMMARY) for text in truth[SUMMARY]]

    def score(self, truth: DataFrame, answers: Sequence[str], order: Sequence[int]) -> Score:
        """Return the scores, as in the reference: four ROUGE, and the characters of all summaries."""
        return summary_scoring.score(truth, answers, order)

    def per_sample(self, truth: DataFrame, answers: Sequence[str]) -> PerSample:
        """Return the scores of the single samples, grouped by the length of their articles."""
        return summary_scoring.per_sample(truth, answers)

    def accuracy_line(self, score: Score) -> str:
        """Return the scores as the reference prints them."""
        return summary_scoring.accuracy_line(score)
