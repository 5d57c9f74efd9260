"""Generate products: texts, image and ground truth, from one random generator."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pictures import COLOURS, draw_product
from PIL import Image
from vocabulary import (
    BRAND_SENTENCES,
    BRANDS,
    FAMILIES,
    LOOKS,
    NEW,
    TITLES,
    TITLES_WITHOUT_BRAND,
    USED,
    Family,
)

SHARE_TOLD_BY_PICTURE = 0.3
SHARE_BRAND_IN_TITLE = 0.65
SHARE_SECONDHAND = 0.5
CANDIDATES_FROM_ELSEWHERE = 2

PATHS: tuple[str, ...] = tuple(f"{family.path} > {leaf}" for family in FAMILIES for leaf in family.leaves)
_RANGE = re.compile(r"\{(\d+)-(\d+)\}")


@dataclass(frozen=True)
class Product:
    """A product and its ground truth; `told_by_picture`: only the image tells its category from siblings."""

    title: str
    description: str
    picture: Image.Image
    candidates: tuple[str, ...]
    category: str
    brand: str
    is_secondhand: bool
    told_by_picture: bool

    @property
    def row(self) -> dict[str, object]:
        """The product without its image, under the benchmark's column names."""
        return {
            "product_title": self.title,
            "product_description": self.description,
            "potential_product_categories": list(self.candidates),
            "ground_truth_category": self.category,
            "ground_truth_brand": self.brand,
            "ground_truth_is_secondhand": self.is_secondhand,
        }


def invent_products(seed: int, told_by_picture: float = SHARE_TOLD_BY_PICTURE) -> Iterator[Product]:
    """Yield an endless sequence of products with unique texts; the same seed gives the same products.

    `told_by_picture` is the share of products whose texts fit all three sibling categories.
    """
    rng = random.Random(seed)
    seen: set[tuple[str, str]] = set()
    while True:
        family = rng.choice(FAMILIES)
        leaf = rng.choice(tuple(family.leaves))
        colour = rng.choice(tuple(COLOURS))
        product = _describe(family, leaf, colour, rng.random() < told_by_picture, rng)
        if (product.title, product.description) not in seen:
            seen.add((product.title, product.description))
            yield product


def _describe(family: Family, leaf: str, colour: str, told_by_picture: bool, rng: random.Random) -> Product:
    is_secondhand = rng.random() < SHARE_SECONDHAND
    brand_in_title = rng.random() < SHARE_BRAND_IN_TITLE
    name = rng.choice(family.vague if told_by_picture else family.leaves[leaf])
    brand = rng.choice(BRANDS)
    words = {
        "brand": brand,
        "name": name,
        "Name": _capitalised(name),
        "colour": colour,
        "Colour": _capitalised(colour),
        "material": rng.choice(family.materials),
    }
    sentences = [
        rng.choice(LOOKS).format(**words),
        _with_number(rng.choice(family.details), rng),
        rng.choice(family.uses),
        rng.choice(USED if is_secondhand else NEW),
    ]
    if not brand_in_title:
        sentences.append(rng.choice(BRAND_SENTENCES).format(**words))
    rng.shuffle(sentences)
    return Product(
        title=rng.choice(TITLES if brand_in_title else TITLES_WITHOUT_BRAND).format(**words),
        description=" ".join(sentences),
        picture=draw_product(leaf, colour, rng),
        candidates=_candidates(family, rng),
        category=f"{family.path} > {leaf}",
        brand=brand,
        is_secondhand=is_secondhand,
        told_by_picture=told_by_picture,
    )


def _candidates(family: Family, rng: random.Random) -> tuple[str, ...]:
    """Return all categories of the family and two of other families, in random order."""
    siblings = [f"{family.path} > {leaf}" for leaf in family.leaves]
    others = [path for path in PATHS if path not in siblings]
    chosen = siblings + rng.sample(others, CANDIDATES_FROM_ELSEWHERE)
    rng.shuffle(chosen)
    return tuple(chosen)


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]


def _with_number(sentence: str, rng: random.Random) -> str:
    """Replace {low-high} by a random number from that range, inclusive."""
    return _RANGE.sub(lambda match: str(rng.randint(int(match[1]), int(match[2]))), sentence)
