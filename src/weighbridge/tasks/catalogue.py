"""The product catalogue: category, brand and condition of a product, from its texts and its picture."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from pydantic import ValidationError
from rapidfuzz import fuzz, process

from weighbridge.errors import InputError
from weighbridge.models import Model
from weighbridge.prompt import Prompt
from weighbridge.tasks import hierarchy
from weighbridge.tasks.base import Part, Score
from weighbridge.tasks.parquet import read_columns

_TITLE, _DESCRIPTION, _CANDIDATES = "product_title", "product_description", "potential_product_categories"
_TRUTH = {
    "ground_truth_category": "category",
    "ground_truth_brand": "brand",
    "ground_truth_is_secondhand": "is_secondhand",
    _CANDIDATES: "candidates",
}
_PLACEHOLDERS = {"@TITLE@": _TITLE, "@DESC@": _DESCRIPTION, "@CATS@": _CANDIDATES}
_PLACEHOLDER = re.compile("|".join(_PLACEHOLDERS))

# No answer of a model equals these, so an unreadable answer never scores by accident.
_NO_LEVEL = "<|unparsable category|>"
_NO_BRAND = "<|unparsable brand|>"
_SAME_BRAND_ABOVE = 90  # rapidfuzz ratio, 0 to 100
_SEED = 12345


class ProductAnswer(Model):
    """The JSON object that a model answers with; pydantic's lax booleans count, as in the reference."""

    category: str
    brand: str
    is_secondhand: bool


class ProductCatalogue:
    """Task of the qwen3-vl-235b-a22b benchmark."""

    name = "product-catalogue"
    columns: tuple[str, ...] = (_TITLE, _DESCRIPTION, _CANDIDATES)
    picture_column: str | None = "product_image"

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt

    @classmethod
    def with_prompt(cls, path: Path) -> "ProductCatalogue":
        """Read the prompt's JSON file.

        Raises:
            InputError: the file is missing, is no prompt, or its user text lacks a placeholder.
        """
        prompt = Prompt.read(path)
        for placeholder, column in _PLACEHOLDERS.items():
            if placeholder not in prompt.user:
                raise InputError(
                    f"{path}: the user text lacks {placeholder}, where {column} belongs; add it."
                )
        return cls(prompt)

    def _user_text(self, row: Mapping[str, Any]) -> str:
        """Write a product into the user's text; a placeholder within a product's own text stays as it is."""
        values = {
            "@TITLE@": str(row[_TITLE]),
            "@DESC@": str(row[_DESCRIPTION]),
            # The reference prints the list as Python does, quotes and all; the model has seen it so.
            "@CATS@": repr([str(category) for category in row[_CANDIDATES]]),
        }
        return _PLACEHOLDER.sub(lambda match: values[match[0]], self._prompt.user)

    def messages(self, row: Mapping[str, Any], picture_url: str | None) -> list[dict[str, Any]]:
        """Make the system and the user message: the text first, then the picture."""
        content: list[dict[str, Any]] = [{"type": "text", "text": self._user_text(row)}]
        if picture_url is not None:
            content.append({"type": "image_url", "image_url": {"url": picture_url}})
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
                raise InputError(f"{dataset}: sample {row} has no {column}; this is not the dataset meant.")
        if not frame["candidates"].map(len).all():
            row = int((frame["candidates"].map(len) == 0).to_numpy().argmax())
            raise InputError(f"{dataset}: sample {row} has no candidate categories; use another dataset.")
        return frame.astype({"is_secondhand": bool})

    def parse(self, answer: str) -> ProductAnswer | None:
        """Read an answer strictly: exactly one JSON object with the three keys; None where it is not."""
        try:
            return ProductAnswer.model_validate_json(answer)
        except ValidationError:
            return None

    def sample_answers(self, truth: DataFrame) -> list[tuple[str, str]]:
        """Write a right and a wrong answer to each product, as a model would: for simulated servers."""
        wrong = ProductAnswer(category=_NO_LEVEL, brand=_NO_BRAND, is_secondhand=False).model_dump_json()
        right = (
            ProductAnswer.model_validate(product)
            for product in truth[["category", "brand", "is_secondhand"]].to_dict("records")
        )
        return [(answer.model_dump_json(), wrong) for answer in right]

    def score(self, truth: DataFrame, answers: Sequence[str]) -> Score:
        """Score as the reference does; an unreadable answer is wrong at every level of its category.

        The gated metric is `f1`, the category's hierarchical F1. Source: evaluation.py of
        multimodal/qwen3-vl in mlcommons/inference, except that its random draws depend on the number of
        CPUs and on Python's hash seed, while these depend on the stated seed alone.
        """
        for_unparsable, for_categories, for_brands, for_condition = np.random.default_rng(_SEED).spawn(4)
        parsed = [self.parse(answer) for answer in answers]
        paths, brands, condition = (
            list(truth["category"]),
            list(truth["brand"]),
            truth["is_secondhand"].to_numpy(),
        )

        coins = for_unparsable.random(len(parsed)) < 0.5
        category = hierarchy.overlap(
            [p.category if p else _wrong_path(path) for p, path in zip(parsed, paths, strict=True)], paths
        )
        secondhand = np.array(
            [p.is_secondhand if p else c for p, c in zip(parsed, coins, strict=True)], dtype=bool
        )
        random_category = hierarchy.overlap(_draw_each(list(truth["candidates"]), for_categories), paths)
        random_brands = for_brands.choice(sorted(set(brands)), size=len(brands)).tolist()
        return Score(
            samples=len(parsed),
            unparsable=sum(answer is None for answer in parsed),
            metrics={
                "f1": category.f1,
                "precision": category.precision,
                "recall": category.recall,
                "brand": brand_score([p.brand if p else _NO_BRAND for p in parsed], brands),
                "is_secondhand": binary_f1(secondhand, condition),
            },
            baselines={
                "f1": random_category.f1,
                "brand": brand_score(random_brands, brands),
                "is_secondhand": binary_f1(for_condition.random(len(parsed)) < 0.5, condition),
            },
            parts=_by_level(category),
            seed=_SEED,
        )

    def accuracy_line(self, score: Score) -> str:
        """Word the F1 as a JSON object; never with an exponent, which the checker would cut off."""
        return f'{{"f1": {np.format_float_positional(score.metrics["f1"], trim="0")}}}'


def brand_score(predicted: Sequence[str], true: Sequence[str]) -> float:
    """Share of brands that are the same but for case, outer blanks and few letters (ratio above 90)."""
    # float64: the default single precision could move a ratio across the limit.
    ratios = process.cpdist(
        [brand.strip().lower() for brand in predicted],
        [brand.strip().lower() for brand in true],
        scorer=fuzz.ratio,
        dtype=np.float64,
    )
    return float(np.mean(ratios > _SAME_BRAND_ABOVE))


def binary_f1(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """F1 of the positive class, 2 TP / (2 TP + FP + FN); 0 where neither side has a positive."""
    positives = int(predicted.sum()) + int(true.sum())
    return 2 * int((predicted & true).sum()) / positives if positives else 0.0


def _wrong_path(path: str) -> str:
    """Make a path as deep as `path` that shares no level with it."""
    return hierarchy.SEPARATOR.join([_NO_LEVEL] * len(path.split(hierarchy.SEPARATOR)))


def _draw_each(choices: Sequence[Sequence[str]], generator: np.random.Generator) -> list[str]:
    """Draw one of each sample's candidates, all equally likely."""
    sizes = np.fromiter((len(choice) for choice in choices), dtype=np.int64, count=len(choices))
    drawn = generator.integers(sizes)
    return [choice[index] for choice, index in zip(choices, drawn, strict=True)]


def _by_level(category: hierarchy.Overlap) -> tuple[Part, ...]:
    """Count, level by level, the samples that have it and those right up to and including it."""
    deepest = int(category.true.max(initial=0))
    return tuple(
        Part(
            name=f"category level {level}",
            right=int((category.matched >= level).sum()),
            total=int((category.true >= level).sum()),
        )
        for level in range(1, deepest + 1)
    )
