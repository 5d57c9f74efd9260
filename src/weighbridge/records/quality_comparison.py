"""The answers of several systems to the same questions, compared with the baseline's question by question.

`compare` writes it of run directories; comparison.json of a sweep has it beside the speed-ups.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.models import Model
from weighbridge.records.quality_scores import AccuracyShare

QUALITY_MARGIN = 0.01
"""A difference in accuracy within this share counts as none, unless a user says otherwise."""


class QualityFinding(StrEnum):
    """What the paired answers allow to say, in the words of the tables."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    """The interval of the difference lies within the margin."""
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"


class PairedAccuracy(Model):
    """The same questions, answered by the baseline (A) and by another system (B)."""

    n: int = Field(ge=1, description="Questions.")
    both_right: int = Field(description="Questions that both answered right.")
    only_a: int = Field(description="Questions that the baseline alone answered right.")
    only_b: int = Field(description="Questions that the other system alone answered right.")
    difference: float = Field(description="Accuracy of B - accuracy of A, as a share: 0.01 is one point.")
    low: float = Field(description="Lower end of its 95 % interval (Newcombe's method 10 for paired data).")
    high: float = Field(description="Upper end.")
    p: float = Field(description="Of McNemar's exact test, two-sided.")


class SystemQuality(AccuracyShare):
    """The accuracy of one system, and how it was asked."""

    model_name: str = Field(description="Name under which the model is served.")
    protocol: AskingProtocol = Field(description="How the questions were put.")
    shots: int = Field(description="Solved questions before each question.")
    bos: bool = Field(default=False, description="Prompts began with the beginning of sequence.")
    made_up: bool = Field(default=False, description="The questions are made up: scores mean nothing.")
    limited: str | None = Field(
        description="What of the questions was asked, such as '10 of each subject'; null: all of them."
    )
    note: str | None = Field(description="What a reader must know, such as that the questions are made up.")


class QualityRow(Model):
    """The answers of one system beside the baseline's."""

    system: str = Field(description="Name of the other system.")
    paired: PairedAccuracy | None = Field(description="Over all questions; null: not comparable.")
    by_domain: dict[str, PairedAccuracy] = Field(
        default={}, description="Likewise in each domain; no finding is drawn from these."
    )
    p_adjusted: float | None = Field(
        default=None, description="After Holm, over all rows; null: not comparable."
    )
    finding: QualityFinding = Field(description="What the pairs allow to say.")
    reasons: tuple[str, ...] = Field(default=(), description="Why it is not comparable.")
    notes: tuple[str, ...] = Field(default=(), description="What else differs, such as the tokenizer.")


class QualityComparison(Model):
    """What each system answered, and each one beside the baseline."""

    benchmark: Literal["mmlu"] = Field(default="mmlu", description="What was asked.")
    baseline: str = Field(description="System that the others are compared with.")
    margin: float = Field(description="Share within which a difference counts as none; 0.01 is one point.")
    systems: dict[str, SystemQuality] = Field(description="By name; those that were measured.")
    rows: tuple[QualityRow, ...] = Field(description="Each other system beside the baseline.")

    def row(self, system: str) -> QualityRow | None:
        """Return a system's row; None: it was not measured, or is the baseline."""
        return next((row for row in self.rows if row.system == system), None)
