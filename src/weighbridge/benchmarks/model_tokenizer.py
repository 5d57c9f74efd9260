"""A model's tokenizer, as the model's server and the transformers library apply it to prompts and answers."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data

_TOKENIZER, _ITS_CONFIG = "tokenizer.json", "tokenizer_config.json"
# Files that name the ids that begin a prompt and end an answer; the first that names one decides.
_IDS_IN = ("generation_config.json", "config.json")
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
_AT_ONCE = 1024  # texts; they are processed in parallel, and none waits in memory for all others


class ModelTokenizer:
    """The tokenizer in a model's folder; its files are read when they are needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def vocabulary(self) -> int:
        """Number of ids, which are those from 0 on."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    @cached_property
    def first(self) -> int | None:
        """The id that begins every prompt of the model (bos_token_id); None: the model names none."""
        found = self._id("bos_token_id")
        return None if found is None else int(found)

    @cached_property
    def end(self) -> int:
        """The first of the ids that end an answer (eos_token_id).

        Raises:
            InputError: the model names none.
        """
        found = self._id("eos_token_id")
        if isinstance(found, list):
            found = next(iter(found), None)
        if found is None:
            raise InputError(
                f"{self.folder}: neither {' nor '.join(_IDS_IN)} names an eos_token_id; fetch the model."
            )
        return int(found)

    def prompt(self, text: str) -> list[int]:
        """Return the ids of a prompt of whatever length, with the one that begins it.

        Raises:
            InputError: the tokenizer does not add that one, or cannot be read.
        """
        ids: list[int] = self._tokenizer.encode(text).ids
        if self.first is not None and ids[:1] != [self.first]:
            raise InputError(
                f"{self.folder}: its {_TOKENIZER} begins a prompt with {ids[:1]}, but the model names "
                f"{self.first} as bos_token_id; fetch the model."
            )
        return ids

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of texts without special tokens.

        Raises:
            InputError: the tokenizer cannot be read.
        """
        chunks = (texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE))
        return [
            each.ids
            for chunk in chunks
            for each in self._tokenizer.encode_batch_fast(chunk, add_special_tokens=False)
        ]

    def decode(self, answers: Sequence[NDArray[np.int32]]) -> list[str]:
        """Return the texts of ids without special tokens, as batch_decode in transformers does.

        Raises:
            InputError: the tokenizer or its configuration cannot be read.
        """
        tokenizer, found = self._tokenizer, []
        for start in range(0, len(answers), _AT_ONCE):
            chunk = [each.tolist() for each in answers[start : start + _AT_ONCE]]
            found += tokenizer.decode_batch(chunk, skip_special_tokens=True)
        return list(map(_cleaned_up, found)) if self._cleans_up else found

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        try:
            tokenizer = Tokenizer.from_file(str(self.folder / _TOKENIZER))
        # The library raises the base class for what it cannot read.
        except Exception as error:
            raise InputError(
                f"{self.folder}: has no {_TOKENIZER} that can be read ({error}); fetch the model."
            ) from None
        # Limits that its training left in the file are not those of prompts.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _cleans_up(self) -> bool:
        """Whether the tokenizer's configuration asks for it; a tokenizer without one does not."""
        return bool(self._read(_ITS_CONFIG).get("clean_up_tokenization_spaces", False))

    def _id(self, key: str) -> Any:
        named = (self._read(name).get(key) for name in _IDS_IN)
        return next((found for found in named if found is not None), None)

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        content = read_data(path) if path.is_file() else {}
        if not isinstance(content, dict):
            raise InputError(f"{path}: is no JSON object; fetch the model.")
        return content


def _cleaned_up(text: str) -> str:
    for found, instead in _CLEANED_UP.items():
        text = text.replace(found, instead)
    return text
