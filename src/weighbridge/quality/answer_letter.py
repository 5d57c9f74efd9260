"""Read the chosen letter from the text that a model wrote."""

import re

from weighbridge.records.quality_answers import Letter

REASONING_BEGINS, REASONING_ENDS = "<think>", "</think>"
# An A that a word in small letters follows is an article, as in "A good answer"; but not before these.
_LETTER = r"(?:[B-D]|A(?!\s+(?!(?:and|or|is|because|since)\b)[a-z]))(?![A-Za-z'])"
_DECORATION = r"(?:[\s*_\"'`(\[{$]|\\boxed|\\text)*"
_ANSWER_IS = re.compile(rf"\b(?i:answer(?:\s+is)?)\s*:?{_DECORATION}(?P<letter>{_LETTER})")
_LEADING = re.compile(rf"{_DECORATION}(?P<letter>[A-D])(?:[\s*_\"'`)\]}}$]*(?:$|\n)|[*_)\]}}]*[.):,])")
_ALONE = re.compile(rf"(?<![A-Za-z']){_LETTER}")
_LETTER_ONLY = re.compile(r"[\s*(]*(?P<letter>[a-d])[\s*).]*")


def letter_of(text: str) -> Letter | None:
    """Return the letter that a text chooses; None: it chooses none, or it cannot be told which.

    What stands before the end of a reasoning (`</think>`) does not count; a reasoning that has not ended
    chooses nothing. The first rule that finds a letter decides:

    1. the first "answer is X" or "answer: X", with or without brackets and emphasis;
    2. a letter at the beginning that nothing follows but punctuation, or that punctuation separates from what
       follows: "B", "(B)", "B. Paris";
    3. the one letter from A to D that stands alone in the text, where it is not an article.

    Letters are capital, unless the whole text is one small letter.
    """
    answer = text.rpartition(REASONING_ENDS)[2]
    if REASONING_BEGINS in answer:
        return None
    if only := _LETTER_ONLY.fullmatch(answer):
        return _as_letter(only["letter"].upper())
    if said := _ANSWER_IS.search(answer):
        return _as_letter(said["letter"])
    if leading := _LEADING.match(answer):
        return _as_letter(leading["letter"])
    alone = set(_ALONE.findall(answer))
    return _as_letter(alone.pop()) if len(alone) == 1 else None


def _as_letter(letter: str) -> Letter:
    match letter:
        case "A" | "B" | "C" | "D":
            return letter
    raise ValueError(f"{letter!r} is no letter of a choice")
