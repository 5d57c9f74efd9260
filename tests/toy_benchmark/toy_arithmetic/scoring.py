"""How answers are read and scored: the share of right ones, and their length beside the truth's."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from weighbridge.benchmarks.protocol import Measure, PerSample
from weighbridge.records.score import Part, Score

_NUMBER = re.compile(r"-?\d+")
_SEED = 7


def read_answer(answer: str) -> int | None:
    """Return the last whole number of an answer; None where it has none."""
    numbers = _NUMBER.findall(answer)
    return int(numbers[-1]) if numbers else None


def per_sample(truth: DataFrame, answers: Sequence[str]) -> PerSample:
    """Return n values of each metric, grouped by operator."""
    read = [read_answer(answer) for answer in answers]
    right = np.array([value == result for value, result in zip(read, truth["result"], strict=True)])
    return PerSample(
        measures=(
            Measure("exact", right.astype(np.float64), np.ones(len(right))),
            Measure("length_ratio", _lengths(answers), _lengths([str(result) for result in truth["result"]])),
        ),
        groups=truth["operator"].to_numpy(dtype=object),
        readable=np.array([value is not None for value in read], dtype=bool),
    )


def score(truth: DataFrame, answers: Sequence[str]) -> Score:
    """Return both metrics; chance is the score of the same results, shuffled among the questions."""
    divided = per_sample(truth, answers)
    shuffled = np.random.default_rng(_SEED).permutation(truth["result"].to_numpy())
    exact = divided.measures[0].gained
    return Score(
        samples=len(answers),
        unparsable=int((~divided.readable).sum()),
        metrics={measure.name: measure.value for measure in divided.measures},
        baselines={"exact": float((shuffled == truth["result"]).mean())},
        parts=tuple(
            Part(
                name=f"operator {operator}",
                right=int(exact[divided.groups == operator].sum()),
                total=int((divided.groups == operator).sum()),
            )
            for operator in sorted(set(divided.groups))
        ),
        seed=_SEED,
    )


def _lengths(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the number of characters of each text, without outer blanks."""
    return np.array([len(text.strip()) for text in texts], dtype=np.float64)
