"""Base class of tasks whose answers are token ids, which the model's tokenizer turns into text and back."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import AnswerKind

_TOKENIZER, _ITS_CONFIG = "tokenizer.json", "tokenizer_config.json"
# Files that name the ids that end an answer, the first that is there.
_ENDS_IN = ("generation_config.json", "config.json")
_ID_BYTES = 4
# What a tokenizer whose configuration has clean_up_tokenization_spaces replaces in its text, one after the
# other. Source: clean_up_tokenization in transformers, 4.46 to 4.57.
_CLEANED_UP = {
    " .": ".",
    " ?": "?",
    " !": "!",
    " ,": ",",
    " ' ": "'",
    " n't": "n't",
    " 'm": "'m",
    " 's": "'s",
    " 've": "'ve",
    " 're": "'re",
}
_AT_ONCE = 1024  # answers; the tokenizer decodes them in parallel, and none waits in memory for all others


class TokenAnswers:
    """Base class of a task that keeps an answer's token ids: int32, little-endian, with a final end id."""

    answers = AnswerKind.TOKENS

    def __init__(self, model: Path | None) -> None:
        """Take the folder of the model; None: not on this machine, so that no answer can be read."""
        self._model = model

    def texts(self, answers: Sequence[tuple[int, bytes]]) -> list[str]:
        """Return the text of each answer, from the sample's number and its ids, without special tokens.

        It is that of batch_decode in transformers, which references decode with.

        Raises:
            InputError: the model's folder has no tokenizer, or the bytes are no ids of it; the message names
                the sample.
        """
        tokenizer, found = self._tokenizer, []
        ids = [self._ids(sample, answer) for sample, answer in answers]
        for start in range(0, len(ids), _AT_ONCE):
            chunk = [each.tolist() for each in ids[start : start + _AT_ONCE]]
            found += tokenizer.decode_batch(chunk, skip_special_tokens=True)
        return list(map(_cleaned_up, found)) if self._cleans_up else found

    def encoded(self, texts: Sequence[str]) -> list[bytes]:
        """Return the bytes that are kept of answers with these texts: their ids, and the id of an end.

        Raises:
            InputError: the model's folder has no tokenizer, or no file that names the id of an end.
        """
        end, found = self._end(), []
        for start in range(0, len(texts), _AT_ONCE):
            chunk = self._tokenizer.encode_batch_fast(
                texts[start : start + _AT_ONCE], add_special_tokens=False
            )
            found += [np.array([*each.ids, end], dtype="<i4").tobytes() for each in chunk]
        return found

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        folder = self._folder()
        try:
            tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        # The library raises the base class for what it cannot read.
        except Exception as error:
            raise InputError(
                f"{folder}: has no {_TOKENIZER} that can be read ({error}); fetch the model."
            ) from None
        return tokenizer

    @cached_property
    def _cleans_up(self) -> bool:
        """Whether the tokenizer's configuration asks for it; a tokenizer without one does not."""
        path = self._folder() / _ITS_CONFIG
        if not path.is_file():
            return False
        try:
            return bool(json.loads(path.read_text()).get("clean_up_tokenization_spaces", False))
        except (OSError, ValueError, AttributeError):
            raise InputError(f"{path}: cannot be read; fetch the model.") from None

    @cached_property
    def _vocabulary(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def _ids(self, sample: int, answer: bytes) -> NDArray[np.int32]:
        if len(answer) % _ID_BYTES:
            raise InputError(
                f"the answer to sample {sample} has {len(answer)} bytes, not {_ID_BYTES} for each token id; "
                "repeat the accuracy run."
            )
        ids = np.frombuffer(answer, dtype="<i4")
        unknown = ids[(ids < 0) | (ids >= self._vocabulary)]
        if len(unknown):
            raise InputError(
                f"the answer to sample {sample} has the token id {unknown[0]}, but the tokenizer has 0 to "
                f"{self._vocabulary - 1}; use the model that answered."
            )
        return ids

    def _end(self) -> int:
        folder = self._folder()
        for path in (folder / name for name in _ENDS_IN):
            try:
                ends = json.loads(path.read_text())["eos_token_id"]
                return int(ends[0] if isinstance(ends, list) else ends)
            except (OSError, ValueError, KeyError, TypeError, IndexError):
                continue
        raise InputError(
            f"{folder}: neither {' nor '.join(_ENDS_IN)} names an eos_token_id; fetch the model."
        )

    def _folder(self) -> Path:
        if self._model is None:
            raise InputError("answers of this benchmark are token ids: pass the model's proof, --model.")
        return self._model


def _cleaned_up(text: str) -> str:
    for found, instead in _CLEANED_UP.items():
        text = text.replace(found, instead)
    return text
