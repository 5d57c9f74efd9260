"""Task of the benchmark: find a product's category, brand and condition from its texts and image."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pandas import DataFrame

from weighbridge.benchmarks.plain_dataset import PlainDataset
from weighbridge.benchmarks.protocol import Description, PerSample
from weighbridge.benchmarks.qwen3_vl import scoring as catalogue_scoring
from weighbridge.benchmarks.qwen3_vl.product_index import ProductIndex
from weighbridge.benchmarks.qwen3_vl.prompt import CANDIDATES, DESCRIPTION, TITLE, Prompt
from weighbridge.benchmarks.qwen3_vl.scoring import NO_BRAND, NO_LEVEL, ProductAnswer
from weighbridge.benchmarks.text_answers import TextAnswers
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.dataset_files import read_columns
from weighbridge.core.errors import InputError
from weighbridge.core.images import image_url
from weighbridge.core.openai_api import Api
from weighbridge.records.score import Score

_IMAGE = "product_image"
_ANSWERED = {
    "ground_truth_category": "category",
    "ground_truth_brand": "brand",
    "ground_truth_is_secondhand": "is_secondhand",
}
_TRUTH = _ANSWERED | {CANDIDATES: "candidates"}
# The reference sends these, also where they are unset.
_SAMPLING = {"temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens"}
_SCHEMA_NAME = "product_metadata"


class ProductCatalogue(TextAnswers, PlainDataset):
    """Task of the qwen3-vl-235b-a22b benchmark."""

    api = Api.CHAT
    columns: tuple[str, ...] = (TITLE, DESCRIPTION, CANDIDATES, _IMAGE)
    described_by: tuple[str, ...] = (TITLE, *_ANSWERED, _IMAGE)

    def __init__(self, prompt: Prompt) -> None:
        """Take the fixed texts, which also decide whose fields are sent around them."""
        self._prompt = prompt
        self._placeholder = re.compile("|".join(prompt.placeholders.values()))

    @classmethod
    def with_prompt(cls, path: Path) -> "ProductCatalogue":
        """Return the task with the texts of a prompt file.

        Raises:
            InputError: the file is missing or not a prompt, or its user text lacks a placeholder.
        """
        prompt = Prompt.read(path)
        for column, placeholder in prompt.placeholders.items():
            if placeholder not in prompt.user:
                raise InputError(
                    f"{path}: the user text lacks the placeholder {placeholder} for {column}; add it."
                )
        return cls(prompt)

    def _user_text(self, row: Mapping[str, Any]) -> str:
        """Return the user text with a product's values; placeholders within these values are not replaced."""
        candidates = [str(category) for category in row[CANDIDATES]]
        values = {
            TITLE: str(row[TITLE]),
            DESCRIPTION: str(row[DESCRIPTION]),
            # The reference formats the list with Python's repr.
            CANDIDATES: json.dumps(candidates) if self._prompt.of_client else repr(candidates),
        }
        by_placeholder = {
            placeholder: values[column] for column, placeholder in self._prompt.placeholders.items()
        }
        return self._placeholder.sub(lambda match: by_placeholder[match[0]], self._prompt.user)

    def envelope(
        self, model_name: str, settings: RequestSettings
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Return the JSON fields before and after the messages, in the format of the prompt's sender.

        The reference sends unset sampling parameters as null, max_tokens only when set. Source: task.py of
        multimodal/qwen3-vl in mlcommons/inference, and the body that its OpenAI client builds.

        Raises:
            InputError: guided decoding is set, and the prompt states no JSON schema, or is the official
                client's, which has no guided decoding.
        """
        before: dict[str, object] = {"model": model_name}
        if self._prompt.of_client:
            return before, _client_fields(settings)
        after = {
            name: value
            for name, value in settings.sampling.model_dump(include=_SAMPLING).items()
            if name != "max_tokens" or value is not None
        }
        after["response_format"] = self._response_format() if settings.guided_decoding else None
        if settings.stream:
            before["stream"] = True
            after["stream_options"] = {"include_usage": True}
        return before, dict(sorted(after.items()))

    def _response_format(self) -> dict[str, object]:
        """Return what the reference sends to guide decoding, with its keys in their order.

        Source: formulate_loaded_sample in task.py of the reference, as dumped by the OpenAI client's model
        ResponseFormatJSONSchema: in the order of its fields, with the unset description.
        """
        schema = self._prompt.answer_schema()
        named = {"name": _SCHEMA_NAME, "description": None, "schema": schema, "strict": True}
        return {"json_schema": named, "type": "json_schema"}

    def prompt_of(self, row: Mapping[str, Any], settings: RequestSettings) -> list[dict[str, Any]]:
        """Return the system message and the user message with text and image, in this order.

        Raises:
            InputError: the image cannot be decoded.
        """
        url = image_url(row[_IMAGE]["bytes"], settings.picture)
        content = [
            {"type": "text", "text": self._user_text(row)},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        return [{"role": "system", "content": self._prompt.system}, {"role": "user", "content": content}]

    def truth(self, dataset: Path, splits: Sequence[str]) -> DataFrame:
        """Read category, brand, is_secondhand and candidates of every product.

        Raises:
            InputError: a split or column is missing, or a product lacks one of the four.
        """
        frame = read_columns(dataset, splits, list(_TRUTH)).rename(columns=_TRUTH)
        for column in frame:
            if frame[column].isna().any():
                row = int(frame[column].isna().to_numpy().argmax())
                raise InputError(f"{dataset}: sample {row} has no {column}; use the round's dataset.")
        if not frame["candidates"].map(len).all():
            row = int((frame["candidates"].map(len) == 0).to_numpy().argmax())
            raise InputError(f"{dataset}: sample {row} has no candidate categories; use the round's dataset.")
        return frame.astype({"is_secondhand": bool})

    def sample_answers(self, truth: DataFrame) -> list[tuple[str, str]]:
        """Return a right and a wrong answer to each product, for simulated servers."""
        wrong = ProductAnswer(category=NO_LEVEL, brand=NO_BRAND, is_secondhand=False).model_dump_json()
        right = (
            ProductAnswer.model_validate(product)
            for product in truth[[*_ANSWERED.values()]].to_dict("records")
        )
        return [(answer.model_dump_json(), wrong) for answer in right]

    def score(
        self,
        truth: DataFrame,
        answers: Sequence[str],
        order: Sequence[int] = (),  # noqa: ARG002 - the protocol's
    ) -> Score:
        """Return the scores, computed as in the reference; `f1`, the hierarchical F1 of categories, gates."""
        return catalogue_scoring.score(truth, answers)

    def per_sample(self, truth: DataFrame, answers: Sequence[str]) -> PerSample:
        """Return the scores of the single samples, grouped by category."""
        return catalogue_scoring.per_sample(truth, answers)

    def content_index(
        self, dataset: Path, splits: Sequence[str], bodies: Iterable[memoryview]
    ) -> ProductIndex:
        """Return an index of the products by picture and title."""
        return ProductIndex(list(read_columns(dataset, splits, [TITLE])[TITLE]), bodies)

    def describe(self, row: Mapping[str, Any]) -> Description:
        """Return a product's title, its ground truth in the format of an answer, and its image."""
        truth = ProductAnswer.model_validate({ours: row[column] for column, ours in _ANSWERED.items()})
        return Description(
            title=str(row[TITLE]),
            truth=truth.model_dump_json(),
            image=(row[_IMAGE] or {}).get("bytes"),
        )

    def accuracy_line(self, score: Score) -> str:
        """Return the F1 as a JSON object without an exponent, which the official checker would cut off."""
        return f'{{"f1": {np.format_float_positional(score.metrics["f1"], trim="0")}}}'


def _client_fields(settings: RequestSettings) -> dict[str, object]:
    """Return the fields after the messages in the official client's format: those that are set, in its order.

    Streamed requests also ask for the usage, from which our client knows an answer's tokens, and which the
    official client counts with the tokenizer. Source: ChatCompletionRequest in openai/types.py and
    OpenAIMsgspecAdapter of mlcommons/endpoints.

    Raises:
        InputError: guided decoding is set.
    """
    if settings.guided_decoding:
        raise InputError(
            "the official endpoints client has no guided decoding; set requests.guided_decoding to false."
        )
    sampling = settings.sampling
    fields: dict[str, object] = {
        "temperature": sampling.temperature,
        "max_completion_tokens": sampling.max_tokens,
        "stream": settings.stream or None,
        "top_p": sampling.top_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "stream_options": {"include_usage": True} if settings.stream else None,
    }
    return {name: value for name, value in fields.items() if value is not None}
