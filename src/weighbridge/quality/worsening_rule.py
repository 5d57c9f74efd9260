"""The rule of `compare --fail-if worse:1%`: which answers fail a pipeline, and the line that says so."""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.quality.quality_sentences import points_text, quality_sentences, signed_text
from weighbridge.records.quality_comparison import QualityComparison, QualityFinding, QualityRow

_UNKNOWN = -2.0  # sorts before every difference


@dataclass(frozen=True)
class WorseningRule:
    """Answers pass if their interval shows that they are not worse by more than a share; unknown is no pass.

    Attributes:
        share: Such as 0.01, which is one percentage point.
    """

    share: float

    def broken(self, comparison: QualityComparison | None, systems: Sequence[str]) -> str | None:
        """Return the sentence of a comparison that fails; None: it does not.

        Args:
            comparison: None: there are no answers at all.
            systems: Names of all that must be compared.
        """
        measured = comparison.systems if comparison else {}
        missing = [name for name in systems if name not in measured]
        if missing:
            return f"the answers of {', '.join(missing)} are not known; measure the quality there"
        if comparison is None or not comparison.rows:
            return "there are no answers of two systems to compare; name another one"
        sentences = quality_sentences(comparison)
        failed = [
            (row.paired.difference if row.paired else _UNKNOWN, self._words(row, sentence))
            for row, sentence in zip(comparison.rows, sentences, strict=True)
            if row.paired is None or row.paired.low < -self.share
        ]
        return min(failed)[1] if failed else None

    def _words(self, row: QualityRow, sentence: str) -> str:
        if row.paired is None:
            return sentence.rstrip(".")
        limit, shown = points_text(self.share), signed_text(row.paired)
        if row.finding is QualityFinding.WORSE and row.paired.difference < -self.share:
            return f"{row.system} answers worse by more than {limit}, {shown}"
        return f"{row.system} may answer worse by more than {limit}, {shown}; more questions would tell"
