"""Results of a quality measurement: overall.json, by_domain.json, by_subject.json and samples.csv."""

from datetime import datetime

from pydantic import Field

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.models import Model, Sha256
from weighbridge.records.quality_answers import CHANCE, QuestionSource, RequestCounts
from weighbridge.records.verdict import Check, Outcome

OVERALL, BY_DOMAIN, BY_SUBJECT, SAMPLES = "overall.json", "by_domain.json", "by_subject.json", "samples.csv"
SCORE_PLOT = "plots/score_by_subject"
"""Without its suffix, .png or .svg."""
SAMPLE_COLUMNS = (
    "idx",
    "subject",
    "domain",
    "answer",
    "prediction",
    "correct",
    "logprob_A",
    "logprob_B",
    "logprob_C",
    "logprob_D",
    "requests",
    "latency_ms",
    "prompt_tokens",
    "output_tokens",
)


class AccuracyShare(Model):
    """A share of right answers."""

    accuracy: float
    stderr: float | None = Field(description="Standard error as the harness computes it; null: one question.")
    low: float = Field(description="Lower end of the 95 % interval (Wilson).")
    high: float
    n: int
    correct: int


class SubjectAccuracy(AccuracyShare):
    """The accuracy in one subject; by_subject.json has one by name."""

    domain: str
    available: int = Field(description="Questions of the subject in the pinned data.")


class DomainAccuracy(AccuracyShare):
    """The accuracy in one domain, over its questions; by_domain.json has one by name."""

    subjects: int


class BySubject(Model):
    """Contents of by_subject.json."""

    limited: str | None
    subjects: dict[str, SubjectAccuracy]


class ByDomain(Model):
    """Contents of by_domain.json."""

    limited: str | None
    domains: dict[str, DomainAccuracy]


class OverallQuality(Model):
    """Contents of overall.json."""

    benchmark: str
    overall_accuracy: float
    stderr: float | None
    low: float = Field(description="Lower end of the 95 % interval (Wilson).")
    high: float
    n: int
    correct: int
    subjects: int
    chance: float = CHANCE
    protocol: AskingProtocol
    shots: int
    bos: bool
    limited: str | None = Field(
        description="What of the questions was asked, such as '10 of each subject'; null: all of them."
    )
    unreadable: int = Field(description="Chat: texts without a letter, which count as wrong.")
    counts: RequestCounts
    checks: tuple[Check, ...] = Field(description="All questions asked; the floor, where one is set.")
    outcome: Outcome
    note: str | None = Field(description="What a reader must know, such as that the questions are made up.")
    source: QuestionSource
    model_name: str
    model_digest: Sha256 | None
    server: str | None = Field(description="Kind and version; null: it reports none.")
    versions: dict[str, str]
    duration_s: float
    finished_at: datetime
    samples_sha256: Sha256 = Field(description="Of samples.csv.")
