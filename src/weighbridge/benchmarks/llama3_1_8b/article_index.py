"""Find the article that a request is about, wherever it stands in a text."""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from weighbridge.benchmarks.content_index import texts_in

_HEAD = 48  # characters of an article that are looked for first
_SEARCHED = 8192  # characters of a text in which it may begin


class ArticleIndex:
    """Finds articles by their beginnings, then by the whole of them."""

    def __init__(self, articles: Sequence[str]) -> None:
        """Index articles; blanks around them do not count."""
        self._by_head: dict[str, list[tuple[int, bytes, int]]] = {}
        for sample, article in enumerate(map(str.strip, articles)):
            if article:
                known = (len(article), _digest(article), sample)
                self._by_head.setdefault(article[:_HEAD], []).append(known)

    def sample_of(self, body: bytes) -> int | None:
        """Return the article that a body's text contains; None: it contains none, or token ids."""
        try:
            texts = texts_in(msgspec.json.decode(body))
        except msgspec.DecodeError:
            return None
        return next((found for text in texts if (found := self._in_text(text)) is not None), None)

    def _in_text(self, text: str) -> int | None:
        for start in range(min(len(text), _SEARCHED)):
            for length, digest, sample in self._by_head.get(text[start : start + _HEAD], ()):
                if _digest(text[start : start + length]) == digest:
                    return sample
        return None


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
