"""Results of a quality measurement: overall.json, by_domain.json, by_subject.json and samples.csv."""

from datetime import datetime

from pydantic import Field

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.models import Model, Sha256
from weighbridge.records.performance_runs import Outcome
from weighbridge.records.quality_answers import CHANCE, QuestionSource, RequestCounts
from weighbridge.records.verdict import Check

OVERALL, BY_DOMAIN, BY_SUBJECT, SAMPLES = "overall.json", "by_domain.json", "by_subject.json", "samples.csv"
PASSED = "passed.txt"
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

    accuracy: float = Field(description="Right answers by questions, 0 to 1, unrounded.")
    stderr: float | None = Field(description="Standard error as the harness computes it; null: one question.")
    low: float = Field(description="Lower end of the 95 % interval (Wilson).")
    high: float = Field(description="Its upper end.")
    n: int = Field(description="Questions asked.")
    correct: int = Field(description="Those answered right.")


class SubjectAccuracy(AccuracyShare):
    """The accuracy in one subject; by_subject.json has one by name."""

    domain: str = Field(description="That the subject belongs to.")
    available: int = Field(description="Questions of the subject in the pinned data.")


class DomainAccuracy(AccuracyShare):
    """The accuracy in one domain, over its questions; by_domain.json has one by name."""

    subjects: int = Field(description="Subjects of the domain that were asked.")


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

    benchmark: str = Field(description="Such as mmlu.")
    overall_accuracy: float = Field(description="Right answers by questions, 0 to 1, unrounded.")
    stderr: float | None = Field(
        description="Standard error as the harness computes it; null: no subject has two questions."
    )
    low: float = Field(description="Lower end of the 95 % interval (Wilson).")
    high: float = Field(description="Its upper end.")
    n: int = Field(description="Questions asked.")
    correct: int = Field(description="Those answered right.")
    subjects: int = Field(description="Subjects asked.")
    chance: float = Field(default=CHANCE, description="Accuracy of guesses.")
    protocol: AskingProtocol = Field(description="How questions were put; do not compare across protocols.")
    shots: int = Field(description="Solved questions before each question.")
    bos: bool = Field(description="Whether prompts began with the beginning of sequence.")
    limited: str | None = Field(
        description="What of the questions was asked, such as '10 of each subject'; null: all of them."
    )
    unreadable: int = Field(description="Chat: texts without a letter, which count as wrong.")
    counts: RequestCounts = Field(description="What became of the requests.")
    checks: tuple[Check, ...] = Field(description="All questions asked; the floor, where one is set.")
    outcome: Outcome = Field(description="VALID if no check failed.")
    note: str | None = Field(description="What a reader must know, such as that the questions are made up.")
    source: QuestionSource = Field(description="Data of the questions, pinned.")
    model_name: str = Field(description="The server's name of the model.")
    model_digest: Sha256 | None = Field(description="Of its files; null: an endpoint's, not proven.")
    server: str | None = Field(description="Kind and version; null: it reports none.")
    versions: dict[str, str] = Field(description="Of weighbridge, lm_eval, transformers, tokenizers.")
    duration_s: float = Field(description="Of asking all questions.")
    finished_at: datetime = Field(description="When the last one was answered.")
    samples_sha256: Sha256 = Field(description="Of samples.csv.")

    @property
    def share(self) -> AccuracyShare:
        """The accuracy over all questions, in the form of the parts'."""
        return AccuracyShare(
            accuracy=self.overall_accuracy,
            stderr=self.stderr,
            low=self.low,
            high=self.high,
            n=self.n,
            correct=self.correct,
        )

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.passed is False)
