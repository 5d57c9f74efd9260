"""accuracy.json and accuracy.txt: the scores of an accuracy run."""

import re
from collections.abc import Iterable

from pydantic import Field, FiniteFloat

from weighbridge.core.models import Model

ACCURACY_TEXT, ACCURACY_JSON = "accuracy.txt", "accuracy.json"
_HASH_LINE = re.compile(r"hash=(\w+)")


class Part(Model):
    """One line of a score's breakdown: `right` of `total` answers were correct."""

    name: str
    right: int
    total: int


class Score(Model):
    """Scores of the answers of one accuracy run."""

    samples: int
    unparsable: int = Field(
        description="Answers that could not be parsed; the task defines how they are scored."
    )
    metrics: dict[str, FiniteFloat] = Field(
        description="Metric -> value; the round names the metrics that gate."
    )
    baselines: dict[str, FiniteFloat] = Field(description="The same metrics for random answers.")
    parts: tuple[Part, ...] = Field(default=(), description="Breakdown of the main metric.")
    seed: int = Field(description="Seed of all random draws in this score.")


class Evaluation(Model):
    """Contents of accuracy.json."""

    round: str
    submittable: bool = Field(description="False: a demonstration; do not cite these numbers.")
    benchmark: str
    metric: str = Field(description="The round's main metric.")
    value: FiniteFloat = Field(description="Its value, unrounded.")
    empty: int = Field(description="Number of answers without text; they also count as unparsable.")
    score: Score
    log_sha256: str = Field(description="sha256 of the scored accuracy log.")


def scores_in(lines: Iterable[str], metric: str) -> list[str]:
    """Return a metric's scores, as text, in the lines of an accuracy.txt as the official checkers read them.

    Such a line is a JSON object from its start; of several scores on a line the last one counts.
    """
    pattern = re.compile(rf'\{{.*"{re.escape(metric)}":\s*([^\s,}}]+).*\}}')
    return [match[1] for line in lines if (match := pattern.match(line))]


def hashes_in(lines: Iterable[str]) -> list[str]:
    """Return the hashes of the accuracy log, each alone on its line; the official checkers read no others."""
    return [match[1] for line in lines if (match := _HASH_LINE.fullmatch(line))]
