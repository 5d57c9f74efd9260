"""accuracy.json and accuracy.txt: what the answers of an accuracy run are worth."""

from pydantic import Field

from weighbridge.core.models import Model

ACCURACY_TEXT, ACCURACY_JSON = "accuracy.txt", "accuracy.json"


class Part(Model):
    """One line of a score's breakdown: how many of `total` were right."""

    name: str
    right: int
    total: int


class Score(Model):
    """What the answers to one accuracy run are worth."""

    samples: int
    unparsable: int = Field(
        description="Answers that could not be read; the task's rules say how they count."
    )
    metrics: dict[str, float] = Field(description="By name; a round names those that it gates.")
    baselines: dict[str, float] = Field(description="The same metrics for answers drawn at random.")
    parts: tuple[Part, ...] = Field(default=(), description="Where the main metric was won and lost.")
    seed: int = Field(description="Of everything random in this score.")


class Evaluation(Model):
    """All of accuracy.json."""

    round: str
    submittable: bool = Field(description="False: a demonstration, nobody's result.")
    benchmark: str
    metric: str = Field(description="The main metric of those that the round gates.")
    value: float = Field(description="Its value, unrounded.")
    empty: int = Field(description="Answers without any text; each is unparsable too.")
    score: Score
    log_sha256: str = Field(description="Of the accuracy log that was scored.")
