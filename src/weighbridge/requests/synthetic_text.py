"""Texts of made-up words with a wanted number of tokens, counted in words or by a tokenizer."""

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weighbridge.benchmarks.model_tokenizer import ModelTokenizer
from weighbridge.core.errors import InputError

TOKENIZER_FILE = "tokenizer.json"
_STARTS, _VOWELS, _ENDS = tuple("bdfgklmnprstvz"), tuple("aeiou"), ("", "n", "r", "s")
# Words of two syllables, and single letters: whatever the tokenizer, some words have few tokens.
_SYLLABLES = ["".join(parts) for parts in product(_STARTS, _VOWELS)]
_WORDS = tuple(
    ["a", "i", "o"]
    + ["".join(parts) for parts in product(_SYLLABLES, _ENDS)]
    + ["".join(parts) for parts in product(_SYLLABLES, _SYLLABLES)]
)


class SyntheticText:
    """Makes texts, and counts the tokens of any text.

    Attributes:
        counts: What counts tokens: "words", or the tokenizer's file.
    """

    def __init__(self, tokenizer: Path | None) -> None:
        """Read the tokenizer.

        Args:
            tokenizer: tokenizer.json, or its folder; None: a word counts as a token.

        Raises:
            InputError: the tokenizer cannot be read.
        """
        self.file = None if tokenizer is None else tokenizer_file(tokenizer)
        self.counts = "words" if self.file is None else str(self.file)
        self._tokenizer = None if self.file is None else ModelTokenizer(self.file.parent)
        self._lengths = self._word_lengths()
        self._single = np.flatnonzero(self._lengths == 1)

    def make(self, stream: np.random.Generator, tokens: int) -> str:
        """Return a text of so many tokens; a little less where no word of the tokenizer fills the rest."""
        places = stream.integers(0, len(_WORDS), size=tokens)
        if self._tokenizer is None:
            return _joined(places)
        # A word at the start of a text may have other tokens than after a blank.
        [counted] = self.count([_joined(self._cut(stream, places, tokens))])
        return _joined(self._cut(stream, places, 2 * tokens - counted))

    def count(self, texts: list[str]) -> list[int]:
        """Return the number of tokens of each text, without special tokens."""
        if self._tokenizer is None:
            return [len(text.split()) for text in texts]
        return [len(ids) for ids in self._tokenizer.encode(texts)]

    def _cut(self, stream: np.random.Generator, places: NDArray[np.int64], tokens: int) -> NDArray[np.int64]:
        """Return as many of the words as fit, and single-token words for what remains."""
        fitting = int(np.searchsorted(np.cumsum(self._lengths[places]), tokens, "right"))
        missing = tokens - int(self._lengths[places[:fitting]].sum())
        if not len(self._single):
            return places[: max(fitting, 1)]
        return np.concatenate([places[:fitting], stream.choice(self._single, size=missing)])

    def _word_lengths(self) -> NDArray[np.int64]:
        if self._tokenizer is None:
            return np.ones(len(_WORDS), dtype=np.int64)
        # Within a text: a word's first tokens may include the blank before it.
        alone, *pairs = self._tokenizer.encode(["a", *(f"a {word}" for word in _WORDS)])
        return np.array([max(len(ids) - len(alone), 1) for ids in pairs])


def _joined(places: NDArray[np.int64]) -> str:
    return " ".join([_WORDS[place] for place in places.tolist()])


def tokenizer_file(path: Path) -> Path:
    """Return the file of a tokenizer that is given by its file or its folder.

    Raises:
        InputError: there is none.
    """
    file = path / TOKENIZER_FILE if path.is_dir() else path
    if file.name != TOKENIZER_FILE or not file.is_file():
        raise InputError(f"{path}: is no {TOKENIZER_FILE} and has none; name the model's tokenizer.")
    return file
