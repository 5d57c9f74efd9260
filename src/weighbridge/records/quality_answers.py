"""Files of a quality measurement: the answers of each subject, and what was measured with what."""

from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, FiniteFloat

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.models import FolderName, Model, Sha256
from weighbridge.records.run_record import Host, ServerRecord

MMLU_FOLDER = PurePosixPath("quality", "mmlu")
"""Below a folder of results."""
ANSWERS_FOLDER, MEASURED = "answers", "measured.json"
"""Answers, one file a subject; and the file that is written after all of them."""


def answers_file(folder: Path, subject: str) -> Path:
    """Return the file of a subject's answers in the folder of a measurement."""
    return folder / ANSWERS_FOLDER / f"{subject}.json"


Letter = Literal["A", "B", "C", "D"]
LETTERS: tuple[Letter, ...] = ("A", "B", "C", "D")
CHANCE = 1 / len(LETTERS)


class AnsweredQuestion(Model):
    """One question, and what the model answered."""

    idx: int = Field(ge=0, description="Row of the question among the subject's.")
    answer: Letter = Field(description="The right one.")
    prediction: Letter | None = Field(description="Null: the model's text has no letter; it counts as wrong.")
    log_probabilities: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] | None = Field(
        default=None, description="Natural, of A to D as the next text; null: the chat protocol has none."
    )
    text: str | None = Field(default=None, description="Chat: what the model wrote.")
    requests: int = Field(ge=1, description="That were answered for it: one a letter, or one.")
    latency_ms: float = Field(ge=0, description="Mean over these requests, of the attempt that succeeded.")
    prompt_tokens: int | None = Field(description="Sum over these requests; null: not reported.")
    output_tokens: int | None = Field(description="Likewise.")

    @property
    def correct(self) -> bool:
        """Whether the right letter was chosen."""
        return self.prediction == self.answer


class RequestCounts(Model):
    """What became of the requests of a measurement."""

    requests: int = Field(default=0, description="Answered.")
    retries: int = Field(default=0, description="Attempts that were made again.")
    failed_attempts: dict[str, int] = Field(
        default={}, description="By kind: an HTTP status such as '503', 'timeout', 'connection', 'malformed'."
    )

    def plus(self, other: "RequestCounts") -> "RequestCounts":
        """Return the sums."""
        kinds = sorted({*self.failed_attempts, *other.failed_attempts})
        return RequestCounts(
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            failed_attempts={
                kind: self.failed_attempts.get(kind, 0) + other.failed_attempts.get(kind, 0) for kind in kinds
            },
        )


class SubjectAnswers(Model):
    """answers/SUBJECT.json: all that was asked of one subject; a killed measurement goes on after these."""

    subject: FolderName
    domain: str
    identity: Sha256 = Field(description="Of all that the answers depend on; others are not taken over.")
    available: int = Field(description="Questions of the subject in the pinned data.")
    asked: int = Field(description="Questions that the settings ask for.")
    questions: tuple[AnsweredQuestion, ...]
    counts: RequestCounts
    duration_s: float
    finished_at: datetime
    harness_accuracy: float = Field(description="As lm-evaluation-harness computed it.")


class QuestionSource(Model):
    """Where the questions come from."""

    name: str = Field(description="'mmlu', or 'synthetic' of made-up questions, whose scores mean nothing.")
    repo: str | None = Field(default=None, description="Of the hub; null: a folder, or made-up questions.")
    revision: str | None = Field(default=None, description="Its commit.")
    digest: Sha256 = Field(description="Over the names, sizes and hashes of all files.")

    @property
    def made_up(self) -> bool:
        """Whether the questions are made up, so that their scores mean nothing."""
        return self.name == "synthetic"


class MeasuredQuality(Model):
    """measured.json: with what the questions were asked, and the sha256 of each subject's answers."""

    benchmark: Literal["mmlu"] = "mmlu"
    protocol: AskingProtocol
    shots: int
    limit: int | None = None
    total_limit: int | None = None
    seed: int = Field(description="Of the draw for 'total_limit'.")
    bos: bool
    answer_tokens: int | None = Field(
        default=None, description="Chat: the most that the model might write; null: nothing is written."
    )
    source: QuestionSource
    model_name: str
    model_digest: Sha256 | None = Field(description="Null: an endpoint's, which nobody has proven.")
    tokenizer_digest: Sha256 | None = Field(default=None, description="Null: the protocol needs none.")
    versions: dict[str, str] = Field(description="Of weighbridge, lm_eval, transformers, tokenizers.")
    server: ServerRecord
    host: Host
    identity: Sha256
    answers: dict[str, Sha256] = Field(description="sha256 of each subject's file.")
    counts: RequestCounts
    duration_s: float = Field(description="Of all subjects, without those of an interrupted attempt at one.")
    finished_at: datetime
