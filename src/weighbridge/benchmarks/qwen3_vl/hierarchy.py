"""Hierarchical F1 of category paths, computed for all samples at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SEPARATOR = " > "


@dataclass(frozen=True)
class Overlap:
    """Number of levels of each sample, shape (n,): predicted, true, and in their longest common prefix."""

    predicted: NDArray[np.int64]
    true: NDArray[np.int64]
    matched: NDArray[np.int64]

    @property
    def deepest(self) -> int:
        """Number of levels of the deepest true path."""
        return int(self.true.max(initial=0))

    @property
    def precision(self) -> float:
        """Matched levels over predicted levels, summed over all samples."""
        return _ratio(int(self.matched.sum()), int(self.predicted.sum()))

    @property
    def recall(self) -> float:
        """Matched levels over true levels, summed over all samples."""
        return _ratio(int(self.matched.sum()), int(self.true.sum()))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: the micro-averaged hierarchical F1.

        Source: calculate_hierarchical_f1 of multimodal/qwen3-vl in mlcommons/inference; the operations are in
        the same order, so the result is identical to the last bit.
        """
        precision, recall = self.precision, self.recall
        return 0.0 if precision + recall == 0 else 2 * (precision * recall) / (precision + recall)


def overlap(predicted: Sequence[str], true: Sequence[str]) -> Overlap:
    """Compare category paths level by level from the root; case matters, blanks around a level do not.

    Args:
        predicted: n paths.
        true: n paths; predicted[i] is the answer to true[i].
    """
    codes: dict[str, int] = {}
    true_nodes, true_levels = _encode(true, codes, padding=-1)
    # A prediction may have any depth; levels below the deepest true path cannot match and are cut off.
    predicted_nodes, predicted_levels = _encode(predicted, codes, padding=-2, width=true_nodes.shape[1])
    same = predicted_nodes == true_nodes
    matched = np.logical_and.accumulate(same, axis=1).sum(axis=1)
    return Overlap(predicted_levels, true_levels, matched)


def _encode(
    paths: Sequence[str], codes: dict[str, int], padding: int, width: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the levels of each path as codes, shape (n, width), and the depths, shape (n,)."""
    row_of, distinct = pd.factorize(np.asarray(paths, dtype=object))
    levels = [[node.strip() for node in path.split(SEPARATOR)] for path in distinct]
    depths = np.array([len(nodes) for nodes in levels], dtype=np.int64)
    width = int(depths.max(initial=0)) if width is None else width
    matrix = np.full((len(levels), width), padding, dtype=np.int64)
    for row, nodes in zip(matrix, levels, strict=True):
        numbered = [codes.setdefault(node, len(codes)) for node in nodes[:width]]
        row[: len(numbered)] = numbered
    return matrix[row_of], depths[row_of]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
