"""The dataset's two forms, and which articles a round has of it.

MLCommons' files are JSON lists, one for each category, with the ids of every prompt (`tok_input`). The hub's
are Parquet without ids, whose validation split has the articles of both categories.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from weighbridge.core.dataset_files import DatasetSamples, has_split
from weighbridge.core.errors import InputError

ARTICLE, SUMMARY, TOKENS = "article", "summary", "tokens"
# Columns by their name here -> their name in each form.
_OF_MLCOMMONS = {ARTICLE: "input", SUMMARY: "output", TOKENS: "tok_input"}
_OF_HUB = {SUMMARY: "highlights"}
# MLCommons' files -> how many articles they take of the hub's validation split; None: all as they stand.
_TAKEN = {"cnn_eval": None, "sample_cnn_eval_5000": 5000}
# With a version's folder first, because the hub's repository holds several versions.
_HUB_SPLITS = ("3.0.0/validation", "validation")
_HUB_ROWS = 13368
_SEED = 42


def find_samples(dataset: Path, splits: Sequence[str]) -> DatasetSamples:
    """Return the samples of the splits, in whichever form the folder holds them.

    Raises:
        InputError: a split is missing, or the hub's split has another number of articles.
    """
    if len(splits) == 1 and splits[0] in _TAKEN and not has_split(dataset, splits[0]):
        return _of_hub(dataset, _TAKEN[splits[0]])
    found = DatasetSamples.of(dataset, splits)
    kinds = {file.suffix for file in found.files}
    if len(kinds) > 1:
        raise InputError(
            f"{dataset}: the splits {', '.join(splits)} are partly Parquet and partly JSON; keep one form."
        )
    return replace(found, names=_OF_MLCOMMONS) if kinds == {".json"} else _named_as_on_hub(found)


def _named_as_on_hub(samples: DatasetSamples) -> DatasetSamples:
    return replace(samples, names=_OF_HUB, lacks=frozenset({TOKENS}))


def _of_hub(dataset: Path, taken: int | None) -> DatasetSamples:
    split = next((split for split in _HUB_SPLITS if has_split(dataset, split)), None)
    if split is None:
        raise InputError(
            f"{dataset}: has neither {', '.join(f'{name}.json' for name in _TAKEN)} nor the hub's validation "
            "split; fetch the dataset again."
        )
    samples = _named_as_on_hub(DatasetSamples.of(dataset, [split]))
    if taken is None:
        return samples
    rows = samples.rows_in_files()
    if rows != _HUB_ROWS:
        raise InputError(
            f"{dataset}: the split {split} has {rows} articles, but {taken} are drawn from its {_HUB_ROWS}; "
            "fetch the dataset again."
        )
    return replace(samples, order=drawn(rows, taken))


def drawn(rows: int, taken: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the rows that the reference's script draws, in its order.

    Source: language/llama3.1-8b/download_cnndm.py, which calls shuffle(seed=42) and take(n) of the datasets
    library; the library draws this permutation.
    """
    return np.random.default_rng(_SEED).permutation(rows)[:taken]
