"""Base class of tasks whose answers are token ids, which the model's tokenizer turns into text and back."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weighbridge.benchmarks.content_index import NoContentIndex
from weighbridge.benchmarks.model_tokenizer import ModelTokenizer
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import AnswerKind

_ID = np.dtype("<i4")


class TokenAnswers(NoContentIndex):
    """Base class of a task that keeps an answer's token ids: int32, little-endian, with a final end id."""

    answers = AnswerKind.TOKENS

    def __init__(self, model: Path | None) -> None:
        """Take the folder of the model; None: not on this machine, so that no answer can be read."""
        self.model = model

    @cached_property
    def tokenizer(self) -> ModelTokenizer:
        """The model's tokenizer.

        Raises:
            InputError: there is no model.
        """
        if self.model is None:
            raise InputError("this benchmark's texts are token ids: pass the model's proof, --model.")
        return ModelTokenizer(self.model)

    def texts(self, answers: Sequence[tuple[int, bytes]]) -> list[str]:
        """Return the text of each answer, from the sample's number and its ids, without special tokens.

        It is that of batch_decode in transformers, which references decode with.

        Raises:
            InputError: the model's folder has no tokenizer, or the bytes are no ids of it; the message names
                the sample.
        """
        return self.tokenizer.decode([self._ids(sample, answer) for sample, answer in answers])

    def encoded(self, texts: Sequence[str]) -> list[bytes]:
        """Return the bytes that are kept of answers with these texts: their ids, and the id of an end.

        Raises:
            InputError: the model's folder has no tokenizer, or no file that names the id of an end.
        """
        end = self.tokenizer.end
        return [np.array([*ids, end], dtype=_ID).tobytes() for ids in self.tokenizer.encode(texts)]

    def _ids(self, sample: int, answer: bytes) -> NDArray[np.int32]:
        if len(answer) % _ID.itemsize:
            raise InputError(
                f"the answer to sample {sample} has {len(answer)} bytes, not {_ID.itemsize} for each token "
                "id; repeat the accuracy run."
            )
        ids = np.frombuffer(answer, dtype=_ID)
        unknown = ids[(ids < 0) | (ids >= self.tokenizer.vocabulary)]
        if len(unknown):
            raise InputError(
                f"the answer to sample {sample} has the token id {unknown[0]}, but the tokenizer has 0 to "
                f"{self.tokenizer.vocabulary - 1}; use the model that answered."
            )
        return ids
