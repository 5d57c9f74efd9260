"""Rollups of latencies and lengths, and the score: as the client's files hold them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

_PERCENTILES = (99.9, 99.0, 97.0, 95.0, 90.0, 80.0, 75.0, 50.0, 25.0, 10.0, 5.0, 1.0)


def series(values: list[float], *, estimates: bool) -> dict[str, Any]:
    """Return the rollup of values; with `estimates` also bounds of the upper percentiles."""
    if not values:
        return {}
    ordered = np.sort(np.array(values))
    found: dict[str, Any] = {
        "total": ordered.sum().item(),
        "min": ordered[0].item(),
        "max": ordered[-1].item(),
        "median": float(np.percentile(ordered, 50, method="lower")),
        "avg": float(ordered.mean()),
        "std_dev": float(ordered.std(ddof=1)) if len(ordered) > 1 else 0.0,
        "percentiles": {
            str(each): float(np.percentile(ordered, each, method="lower")) for each in _PERCENTILES
        },
    }
    if estimates:
        found["early_stopping_percentiles"] = {
            str(each): _estimate(ordered, each / 100) for each in _PERCENTILES if each >= 50
        }
    found["histogram"] = {"buckets": [[float(ordered[0]), float(ordered[-1])]], "counts": [len(ordered)]}
    return found


def _estimate(ordered: np.ndarray[Any, Any], share: float) -> float | None:
    """Return the largest value that is left when as many are set aside as still pass with 99 % confidence."""
    count = len(ordered)
    passing = int(binom.ppf(0.01, count, 1 - share))
    while passing >= 0 and binom.cdf(passing, count, 1 - share) >= 0.01:
        passing -= 1
    return float(ordered[count - passing]) if passing >= 1 else None


def count_tokens(texts: list[str], folder: Path) -> list[int]:
    """Count tokens with a model's tokenizer; words where the folder has none."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        return [len(text.split()) for text in texts]
    from tokenizers import Tokenizer

    return [len(each.ids) for each in Tokenizer.from_file(str(file)).encode_batch(texts)]


def category_f1(answers: list[str], truths: list[str]) -> float:
    """Return the F1 of category paths, counted in their levels over all answers."""
    shared = told = true = 0
    for answer, truth in zip(answers, truths, strict=True):
        right, path = _levels(truth), _category(answer)
        left = set() if path is None else _levels(path)
        # What is no answer counts as a path of the same depth that is wrong from its root.
        told += len(right) if path is None else len(left)
        shared, true = shared + len(left & right), true + len(right)
    return 2 * shared / (told + true) if told + true else 0.0


def _category(answer: str) -> str | None:
    try:
        found = json.loads(answer)
        fields = found["category"], found["brand"], found["is_secondhand"]
    except (ValueError, KeyError, TypeError):
        return None
    return fields[0] if [type(each) for each in fields] == [str, str, bool] else None


def _levels(path: str) -> set[tuple[str, ...]]:
    names = tuple(part.strip() for part in path.split(" > ") if part.strip())
    return {names[:depth] for depth in range(1, len(names) + 1)}
