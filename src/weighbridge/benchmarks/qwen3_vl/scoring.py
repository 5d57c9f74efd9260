"""Parse answers about products, compare them with the ground truth, and score them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame
from pydantic import BaseModel, ConfigDict, ValidationError
from rapidfuzz import fuzz, process

from weighbridge.benchmarks.protocol import Measure, PerSample
from weighbridge.benchmarks.qwen3_vl import hierarchy
from weighbridge.records.score import Part, Score

# No answer of a model equals these, so an unparsable answer never scores by accident.
NO_LEVEL = "<|unparsable category|>"
NO_BRAND = "<|unparsable brand|>"
_SAME_BRAND_ABOVE = 90  # rapidfuzz ratio, 0 to 100
_SEED = 12345
# Smaller second-level categories are merged, because their scores say little.
_GROUP_SAMPLES = 30


class ProductAnswer(BaseModel):
    """The JSON object of an answer; booleans are parsed in pydantic's lax mode, as in the reference.

    Not one of our models, which are stricter: what an answer means is the reference's to say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    brand: str
    is_secondhand: bool


def read_answer(answer: str) -> ProductAnswer | None:
    """Return a parsed answer; None unless it is exactly one JSON object with the three keys."""
    try:
        return ProductAnswer.model_validate_json(answer)
    except ValidationError:
        return None


@dataclass(frozen=True)
class _Compared:
    """Comparison of the answers with the ground truth; each array has shape (n,)."""

    readable: NDArray[np.bool_]
    category: hierarchy.Overlap
    brand: NDArray[np.bool_]
    predicted_secondhand: NDArray[np.bool_]
    is_secondhand: NDArray[np.bool_]


def score(truth: DataFrame, answers: Sequence[str]) -> Score:
    """Return the scores, computed as in the reference; an unparsable answer is wrong at every level.

    The gated metric is `f1`, the category's hierarchical F1. Source: evaluation.py of multimodal/qwen3-vl in
    mlcommons/inference. The reference's random draws depend on the number of CPUs and on Python's hash seed;
    the ones here depend only on the seed in the result.
    """
    _, for_categories, for_brands, for_condition = _generators()
    compared = _compare(truth, answers)
    category, paths, brands = compared.category, list(truth["category"]), list(truth["brand"])
    random_category = hierarchy.overlap(_draw_each(list(truth["candidates"]), for_categories), paths)
    random_brands = for_brands.choice(sorted(set(brands)), size=len(brands)).tolist()
    random_condition = for_condition.random(len(paths)) < 0.5
    return Score(
        samples=len(paths),
        unparsable=int((~compared.readable).sum()),
        metrics={
            "f1": category.f1,
            "precision": category.precision,
            "recall": category.recall,
            "brand": float(compared.brand.mean()),
            "is_secondhand": binary_f1(compared.predicted_secondhand, compared.is_secondhand),
        },
        baselines={
            "f1": random_category.f1,
            "brand": float(same_brand(random_brands, brands).mean()),
            "is_secondhand": binary_f1(random_condition, compared.is_secondhand),
        },
        parts=_by_level(category),
        seed=_SEED,
    )


def per_sample(truth: DataFrame, answers: Sequence[str]) -> PerSample:
    """Return the scores of the single samples: category F1, F1 of each level, brand and condition.

    The micro-averaged F1, 2 PR / (P + R), equals 2 M / (levels predicted + levels true), where M is the
    number of matched levels: a ratio of sums over the samples. The same holds for each level alone, where
    every count is 0 or 1 per sample. Summed over the levels, these counts give the totals again, except for
    levels predicted below the deepest true one.
    """
    compared = _compare(truth, answers)
    category = compared.category
    levels = (
        _f1(_level_name(level), *(counts >= level for counts in _counts(category)))
        for level in range(1, category.deepest + 1)
    )
    return PerSample(
        measures=(
            _f1("f1", *_counts(category)),
            *levels,
            Measure("brand", compared.brand.astype(np.float64), np.ones(len(compared.brand))),
            _f1(
                "is_secondhand",
                compared.predicted_secondhand & compared.is_secondhand,
                compared.predicted_secondhand,
                compared.is_secondhand,
            ),
        ),
        groups=_groups(list(truth["category"])),
        readable=compared.readable,
    )


def same_brand(predicted: Sequence[str], true: Sequence[str]) -> NDArray[np.bool_]:
    """Return which brands match, shape (n,): rapidfuzz ratio above 90, ignoring case and outer blanks."""
    # float64: single precision could move a ratio across the limit.
    ratios: NDArray[np.float64] = process.cpdist(
        [brand.strip().lower() for brand in predicted],
        [brand.strip().lower() for brand in true],
        scorer=fuzz.ratio,
        dtype=np.float64,
    )
    return ratios > _SAME_BRAND_ABOVE


def binary_f1(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Return the F1 of the positive class, 2 TP / (2 TP + FP + FN); 0 if neither side has a positive."""
    return _f1("", predicted & true, predicted, true).value


def _generators() -> list[np.random.Generator]:
    """Return one generator for unparsable answers and one for each of the three baselines."""
    return np.random.default_rng(_SEED).spawn(4)


def _compare(truth: DataFrame, answers: Sequence[str]) -> _Compared:
    parsed = [read_answer(answer) for answer in answers]
    paths = list(truth["category"])
    coins = _generators()[0].random(len(parsed)) < 0.5
    return _Compared(
        readable=np.array([answer is not None for answer in parsed], dtype=bool),
        category=hierarchy.overlap(
            [p.category if p else _wrong_path(path) for p, path in zip(parsed, paths, strict=True)], paths
        ),
        brand=same_brand([p.brand if p else NO_BRAND for p in parsed], list(truth["brand"])),
        predicted_secondhand=np.array(
            [p.is_secondhand if p else c for p, c in zip(parsed, coins, strict=True)], dtype=bool
        ),
        is_secondhand=truth["is_secondhand"].to_numpy(),
    )


def _wrong_path(path: str) -> str:
    """Return a path as deep as `path` that shares no level with it."""
    return hierarchy.SEPARATOR.join([NO_LEVEL] * len(path.split(hierarchy.SEPARATOR)))


def _draw_each(choices: Sequence[Sequence[str]], generator: np.random.Generator) -> list[str]:
    """Return one of each sample's candidates, drawn uniformly."""
    sizes = np.fromiter((len(choice) for choice in choices), dtype=np.int64, count=len(choices))
    drawn = generator.integers(sizes)
    return [choice[index] for choice, index in zip(choices, drawn, strict=True)]


def _by_level(category: hierarchy.Overlap) -> tuple[Part, ...]:
    """Return for each level the number of samples that have it, and that are right down to it."""
    return tuple(
        Part(
            name=_level_name(level),
            right=int((category.matched >= level).sum()),
            total=int((category.true >= level).sum()),
        )
        for level in range(1, category.deepest + 1)
    )


def _level_name(level: int) -> str:
    return f"category level {level}"


def _counts(category: hierarchy.Overlap) -> tuple[NDArray[np.int64], ...]:
    return category.matched, category.predicted, category.true


def _f1(
    name: str,
    matched: NDArray[np.bool_] | NDArray[np.int64],
    predicted: NDArray[np.bool_] | NDArray[np.int64],
    true: NDArray[np.bool_] | NDArray[np.int64],
) -> Measure:
    return Measure(
        name, 2 * matched.astype(np.float64), predicted.astype(np.float64) + true.astype(np.float64)
    )


def _groups(paths: Sequence[str]) -> NDArray[np.object_]:
    """Return each product's group: its second-level category, or the top-level one if that is small."""
    rows, distinct = pd.factorize(np.asarray(paths, dtype=object))
    levels = [[node.strip() for node in path.split(hierarchy.SEPARATOR)] for path in distinct]
    second = np.array([hierarchy.SEPARATOR.join(nodes[:2]) for nodes in levels], dtype=object)[rows]
    rest = np.array([f"{nodes[0]}{hierarchy.SEPARATOR}…" for nodes in levels], dtype=object)[rows]
    sizes = pd.Series(second).groupby(second).transform("size").to_numpy()
    groups: NDArray[np.object_] = np.where(sizes >= _GROUP_SAMPLES, second, rest)
    return groups
