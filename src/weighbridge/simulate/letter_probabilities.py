"""Log-probabilities of the tokens of a prompt and its answer, in the form of vLLM's completions."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from weighbridge.core.errors import InputError
from weighbridge.records.quality_answers import LETTERS, Letter

LIKELY, UNLIKELY = math.log(0.7), math.log(0.1)
"""Log-probabilities of the answered letter, and of each other letter, as the next text."""

_OTHER_TEXT = -20.0  # of an answer that is none of the letters
_CONTEXT = -1.0  # of every token before the answer
_NEXT = "\n\n"  # what follows an answer


class _Token(NamedTuple):
    """A token, its log-probability (None: the first of a prompt), and the likeliest in its place."""

    text: str
    logprob: float | None
    top: Mapping[str, float] | None


class PromptTokenizer:
    """The tokenizer of a model's folder, for prompts that are sent as ids or as text."""

    def __init__(self, model: Path) -> None:
        """Read tokenizer.json.

        Raises:
            InputError: it is missing or damaged.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        except Exception as error:  # the library raises the base class for what it cannot read
            raise InputError(
                f"{model}: has no tokenizer.json that can be read ({error}); fetch the model."
            ) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._texts: dict[int, str] = {}

    def ids(self, text: str, *, special: bool) -> list[int]:
        """Return the ids of a text; `special` adds the token that begins a sequence."""
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=special).ids
        return found

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without special tokens."""
        found: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return found

    def each(self, ids: Sequence[int]) -> list[str]:
        """Return the text of each id alone."""
        for new in set(ids) - self._texts.keys():
            self._texts[new] = self._tokenizer.decode([new], skip_special_tokens=False)
        return [self._texts[each] for each in ids]

    def before(self, ids: Sequence[int], characters: int) -> int:
        """Return how many of the ids make the first characters of their text."""
        count = len(ids)
        while count and len(self.text(ids[: count - 1])) >= characters:
            count -= 1
        return count


def echoed(
    texts: Sequence[str], before: int, letter: Letter, *, top: int, generated: bool
) -> dict[str, object]:
    """Return the log-probabilities of a prompt and, if one is generated, of one more token.

    Args:
        texts: The prompt's tokens.
        before: How many of them stand before the answer.
        letter: What the model answers.
        top: How many of the likeliest tokens each place names, beside the token itself.
        generated: Whether a token follows the prompt: the answer, or what follows an answer.
    """
    tokens = [_Token(text, _CONTEXT, {text: _CONTEXT}) for text in texts[:before]]
    answer = "".join(texts[before:])
    # What all letters begin with, such as a blank, is certain.
    tokens += [_Token(text, 0.0, {text: 0.0}) for text in texts[before:-1]]
    if answer:
        tokens.append(_answering(texts[-1], letter, top))
    if tokens:
        tokens[0] = _Token(tokens[0].text, None, None)
    if generated:
        text = next_text(letter, answered=bool(answer))
        tokens.append(_Token(text, 0.0, {text: 0.0}) if answer else _answering(text, letter, top))
    return _in_columns(tokens)


def next_text(letter: Letter, *, answered: bool) -> str:
    """Return the token that is generated after a prompt, which has an answer already or not."""
    return _NEXT if answered else f" {letter}"


def generated_letter(letter: Letter, *, top: int) -> dict[str, object]:
    """Return the log-probabilities of an answer of one token."""
    return _in_columns([_answering(next_text(letter, answered=False), letter, top)])


def _answering(text: str, letter: Letter, top: int) -> _Token:
    """Return the token that holds an answer."""
    blank = text[: len(text) - len(text.lstrip())]
    likeliest = {f"{blank}{each}": LIKELY if each == letter else UNLIKELY for each in LETTERS}
    own = likeliest.get(text.rstrip(), _OTHER_TEXT)
    named = sorted(likeliest, key=lambda each: -likeliest[each])[:top]
    return _Token(text, own, {text: own} | {each: likeliest[each] for each in named})


def _in_columns(tokens: Sequence[_Token]) -> dict[str, object]:
    offsets, at = [], 0
    for token in tokens:
        offsets.append(at)
        at += len(token.text)
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [token.top for token in tokens],
        "text_offset": offsets,
    }
