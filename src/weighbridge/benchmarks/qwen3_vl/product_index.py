"""Find the product that a request is about by its picture and title."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import msgspec

from weighbridge.benchmarks.content_index import texts_in

_DATA_URL = b";base64,"


class ProductIndex:
    """Finds products by their pictures, as they are sent, and by their titles."""

    def __init__(self, titles: Sequence[str], bodies: Iterable[memoryview]) -> None:
        """Index products.

        Args:
            titles: Title of each product.
            bodies: Body of each product's request in a store, which may have only the first ones.
        """
        self._by_picture: dict[bytes, list[tuple[str, int]]] = {}
        for sample, (title, body) in enumerate(zip(titles, bodies, strict=False)):
            picture = _picture_of(bytes(body))
            if picture is not None:
                self._by_picture.setdefault(picture, []).append((title, sample))
        for named in self._by_picture.values():
            named.sort(key=lambda each: -len(each[0]))  # a title may be a part of another one

    def sample_of(self, body: bytes) -> int | None:
        """Return the product whose picture and title a body has; None: there is none."""
        picture = _picture_of(body)
        named = [] if picture is None else self._by_picture.get(picture, [])
        if not named:
            return None
        try:
            texts = list(texts_in(msgspec.json.decode(body)))
        except msgspec.DecodeError:
            return None
        return next((sample for title, sample in named if any(title in text for text in texts)), None)


def _picture_of(body: bytes) -> bytes | None:
    """Return a digest of the first picture in a body; None: it has none."""
    start = body.find(_DATA_URL)
    if start < 0:
        return None
    return blake2b(body[start + len(_DATA_URL) : body.find(b'"', start)], digest_size=16).digest()
