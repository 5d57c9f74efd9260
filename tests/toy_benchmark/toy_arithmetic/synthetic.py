"""Made-up questions in Parquet, and a model's folder without weights."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.core.errors import InputError

_SEED = 20260701
_SPLIT = "questions"
_OPERATORS = {"+": np.add, "-": np.subtract, "*": np.multiply}


def synthesise(kind: ArtifactKind, samples: int, folder: Path, splits: Sequence[str] = ()) -> None:
    """Write a dataset or a model; the same number of samples gives the same rows.

    Raises:
        InputError: nothing else can be made up.
    """
    if kind is ArtifactKind.DATASET:
        (folder / "data").mkdir(parents=True)
        questions, names = _questions(samples), splits or (_SPLIT,)
        share = -(-samples // len(names))
        for number, split in enumerate(names):
            part = questions.slice(number * share, share)
            pq.write_table(part, folder / "data" / f"{split}-00000-of-00001.parquet")
    elif kind is ArtifactKind.MODEL:
        folder.mkdir(parents=True)
        (folder / "config.json").write_text('{"note": "No model: a simulated server answers."}\n')
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    else:
        raise InputError(f"artifacts.{kind}: cannot be synthetic; set it to null.")


def _questions(samples: int) -> pa.Table:
    """Draw two numbers from 0 to 99 and an operator for each question.

    A prefix of all pairs in random order, so that no two questions are the same.
    """
    drawn = np.random.default_rng(_SEED).permutation(100 * 100 * len(_OPERATORS))[:samples]
    if samples > len(drawn):
        raise InputError(f"artifacts.dataset.synthetic is {samples}; there are only {len(drawn)} questions.")
    pairs, chosen = np.divmod(drawn, len(_OPERATORS))
    left, right = np.divmod(pairs, 100)
    symbols = [list(_OPERATORS)[number] for number in chosen]
    results = [int(_OPERATORS[symbol](a, b)) for symbol, a, b in zip(symbols, left, right, strict=True)]
    return pa.table({"left": left, "operator": symbols, "right": right, "result": results})
