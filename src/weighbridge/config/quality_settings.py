"""Model of the section 'quality': what of a model's quality is measured, and how it is asked."""

from enum import StrEnum

from pydantic import Field, model_validator

from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.scenario_rules import LONGEST_S
from weighbridge.core.models import Model


class AskingProtocol(StrEnum):
    """How a question is put to a model. Scores of different protocols must not be compared."""

    LOG_LIKELIHOOD = "log-likelihood"
    """Completions: the choice whose letter is the likeliest next text; four requests a question."""
    CHAT = "chat"
    """Chat completions: the letter that the model writes; one request a question."""


MMLU_DATASET = Artifact(repo="cais/mmlu", revision="c30699e8356da336a370243923dbaf21066bb9fe")


class MmluSettings(Model):
    """MMLU: multiple-choice questions of 57 subjects, each asked after a few solved ones."""

    dataset: Artifact = Field(
        default=MMLU_DATASET,
        description="The questions, pinned; synthetic: so many made-up ones of each of 4 subjects, to try the"
        " way without the data.",
    )
    protocol: AskingProtocol = Field(
        default=AskingProtocol.LOG_LIKELIHOOD,
        description="log-likelihood needs an endpoint that echoes prompts with log-probabilities, as vLLM "
        "does; chat needs none: set it for others. Their scores must not be compared.",
    )
    shots: int = Field(
        default=5,
        ge=0,
        le=5,
        description="Solved questions before each question. Published scores have 5; change it only to repeat"
        " another setting.",
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        description="Ask only this many questions of each subject, the first ones. For a first look in "
        "minutes.",
    )
    total_limit: int | None = Field(
        default=None,
        ge=1,
        description="Ask only this many questions in all, drawn from each subject in proportion to its size. "
        "For a fair estimate in less time.",
    )
    seed: int = Field(
        default=1234,
        ge=0,
        lt=2**32,
        description="Of the draw for 'total_limit'. Change it for another draw of questions.",
    )
    bos: bool = Field(
        default=False,
        description="Begin prompts with the tokenizer's beginning of sequence; the harness does not. Set it "
        "for a model whose scores need it.",
    )
    answer_tokens: int = Field(
        default=16,
        ge=1,
        description="Chat: the most tokens that a model may write. Raise it for one that reasons first, or if"
        " many answers have no letter.",
    )
    floor: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Lowest overall accuracy that passes; default: any. Set it to fail a nightly job whose "
        "model has become worse.",
    )
    concurrency: int = Field(
        default=32,
        ge=1,
        le=10_000,
        description="Requests at once. Raise it for a faster server, lower it if requests time out.",
    )
    retries: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Attempts at a request before the run fails. Raise it for a gateway that fails now and "
        "then.",
    )
    timeout_s: float = Field(
        default=300,
        gt=0,
        le=LONGEST_S,
        description="Of each attempt, in s. Raise it if one answer takes longer.",
    )

    @property
    def by_likelihood(self) -> bool:
        """Whether letters are compared by their log-probabilities, which needs the model's tokenizer."""
        return self.protocol is AskingProtocol.LOG_LIKELIHOOD

    @model_validator(mode="after")
    def _has_one_limit(self) -> "MmluSettings":
        if self.limit is not None and self.total_limit is not None:
            raise ValueError("'limit' is of each subject and 'total_limit' of all; set one of them")
        return self


class QualitySettings(Model):
    """What of a model's quality is measured."""

    mmlu: MmluSettings = Field(
        default=MmluSettings(),
        description="MMLU: which questions are asked, how, and the floor of their score.",
    )
