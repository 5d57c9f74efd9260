"""Score summaries against their references, in the reference implementation's own arithmetic.

Source: evaluation.py of language/llama3.1-8b in mlcommons/inference.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from weighbridge.benchmarks.llama3_1_8b.rouge import KINDS, compare_all
from weighbridge.benchmarks.protocol import Measure, PerSample
from weighbridge.records.score import Score

REFERENCE, ARTICLE_CHARACTERS = "summary", "article_characters"
"""Columns of the ground truth."""
_LENGTH = "gen_len"
_PERCENT = 100
_PRINTED_DIGITS = 4
_SEED = 12345
_BASELINE_PAIRS = 512
_GROUPS = 4


def score(truth: DataFrame, answers: Sequence[str], order: Sequence[int]) -> Score:
    """Return the scores: the mean F-measure of each ROUGE in percent, and the characters of all summaries.

    Values are added up in the order of the accuracy log, as the reference does, so that they are its own to
    the last digit. The baseline scores references of other articles.

    Args:
        truth: One row a sample, with the column `summary`.
        answers: The summary to each row.
        order: All rows, in the order of the accuracy log.
    """
    references = list(truth[REFERENCE])
    compared = _table(references, answers)
    means = _means(compared[np.asarray(order, dtype=np.int64)])
    return Score(
        samples=len(answers),
        unparsable=sum(not answer.strip() for answer in answers),
        metrics={**means, _LENGTH: float(compared[:, -1].sum())},
        baselines=_baselines(references),
        seed=_SEED,
    )


def per_sample(truth: DataFrame, answers: Sequence[str]) -> PerSample:
    """Return the scores of the single samples, grouped by the length of their articles.

    A sample gains its F-measure, of 1; its length is of 1 / n, so that the sum is that of all summaries.
    """
    compared, ones = _table(list(truth[REFERENCE]), answers), np.ones(len(answers))
    return PerSample(
        measures=(
            *(Measure(kind, compared[:, at], ones, scale=_PERCENT) for at, kind in enumerate(KINDS)),
            Measure(_LENGTH, compared[:, -1], ones, scale=len(answers)),
        ),
        groups=_groups(truth[ARTICLE_CHARACTERS].to_numpy(dtype=np.int64)),
        readable=np.array([bool(answer.strip()) for answer in answers], dtype=bool),
    )


def accuracy_line(score: Score) -> str:
    """Return what the reference prints, as the official checker reads it: a dictionary of Python.

    ROUGE stands there as text with four decimals, lengths as whole numbers. With numpy 2 the reference itself
    prints a length that the checker cannot read.
    """
    printed: dict[str, str | int] = {kind: _printed(score.metrics[kind]) for kind in KINDS}
    return repr(printed | {_LENGTH: round(score.metrics[_LENGTH]), "gen_num": score.samples})


def _printed(value: float) -> str:
    # numpy's own rounding, as in the reference: Python's differs where a value is just in between.
    return f"{round(np.float64(value), _PRINTED_DIGITS)}"


def _table(references: Sequence[str], answers: Sequence[str]) -> NDArray[np.float64]:
    """Return the F-measures and the length of each summary, shape (n, 5)."""
    columns = len(KINDS) + 1
    return np.array(compare_all(references, answers), dtype=np.float64).reshape(-1, columns)


def _means(compared: NDArray[np.float64]) -> dict[str, float]:
    # Contiguous, because numpy adds up strided values in another order.
    columns = (np.ascontiguousarray(compared[:, at]) for at in range(len(KINDS)))
    return {kind: float(np.mean(column) * _PERCENT) for kind, column in zip(KINDS, columns, strict=True)}


def _baselines(references: Sequence[str]) -> dict[str, float]:
    """Score references as summaries of other articles: some pairs, drawn from all."""
    if len(references) < 2:
        return {}
    drawn = np.random.default_rng(_SEED).permutation(len(references))[:_BASELINE_PAIRS]
    others = [references[index] for index in np.roll(drawn, 1)]
    return _means(_table([references[index] for index in drawn], others))


def _groups(characters: NDArray[np.int64]) -> NDArray[np.object_]:
    """Return each article's group: a quarter of the articles by length."""
    edges = np.unique(np.quantile(characters, np.linspace(0, 1, _GROUPS + 1)[1:], method="lower"))
    of = np.searchsorted(edges, characters)
    names = [
        f"articles of {characters[of == at].min():,} to {characters[of == at].max():,} characters"
        for at in range(len(edges))
    ]
    return np.array(names, dtype=object)[of]
