"""accuracy.json and accuracy.txt: the scores of an accuracy run."""

import re
from collections.abc import Iterable

from pydantic import Field, FiniteFloat

from weighbridge.config.metric_rules import ScoreNotation
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


class MetricResult(Model):
    """A gated metric beside the round's rules at the time of scoring; what passes, the verdict says."""

    value: FiniteFloat = Field(description="Unrounded.")
    printed: str | None = Field(
        pattern=r"^-?[0-9]+(\.[0-9]+)?$",
        description="As accuracy.txt has it, where the official checker reads it.",
    )
    baseline: FiniteFloat | None = Field(description="Score of the reference implementation.")
    threshold: FiniteFloat | None = Field(description="Lowest value that passes.")
    ceiling: FiniteFloat | None = Field(description="Highest value that passes.")


class Evaluation(Model):
    """Contents of accuracy.json."""

    round: str
    submittable: bool = Field(description="False: a demonstration; do not cite these numbers.")
    benchmark: str
    metric: str = Field(description="The round's main metric.")
    value: FiniteFloat = Field(description="Its value, unrounded.")
    empty: int = Field(description="Number of answers without text; they also count as unparsable.")
    score: Score
    metrics: dict[str, MetricResult] = Field(default={}, description="Gated metric -> result and rules.")
    log_sha256: str = Field(description="sha256 of the scored accuracy log.")

    def printed(self, name: str, value: float | None) -> float | None:
        """Return a metric's value as accuracy.txt has it, which may be rounded; another value as it is."""
        result = self.metrics.get(name)
        if result is None or result.printed is None or result.value != value:
            return value
        return float(result.printed)


def scores_in(lines: Iterable[str], metric: str, notation: ScoreNotation) -> list[str]:
    """Return a metric's scores, as text, in the lines of an accuracy.txt as the official checkers read them.

    JSON is an object from the line's start; Python's dictionary may stand anywhere, and its values may be
    texts. Of several scores on a line the last one counts.
    """
    name = re.escape(metric)
    patterns = {
        "json": rf'\{{.*"{name}":\s*([^\s,}}]+).*\}}',
        "python": rf".*'{name}':\s+'?([^\s,}}']+)",
    }
    pattern = re.compile(patterns[notation])
    return [match[1] for line in lines if (match := pattern.match(line))]


def hashes_in(lines: Iterable[str]) -> list[str]:
    """Return the hashes of the accuracy log, each alone on its line; the official checkers read no others."""
    return [match[1] for line in lines if (match := _HASH_LINE.fullmatch(line))]
