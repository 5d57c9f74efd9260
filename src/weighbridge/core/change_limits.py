"""The rules of `--fail-if`, such as slower:5% and worse:1%: which changes fail a pipeline."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.core.errors import InputError

_RULE = re.compile(r"(slower|worse):(\d+(?:\.\d+)?)%")


@dataclass(frozen=True)
class ChangeLimits:
    """What a change must exceed to fail.

    Attributes:
        slower: Share of the speed that is lost, such as 0.05; None: speeds are not judged.
        worse: Share of right answers, or of a score from 0 to 1, that is lost, such as 0.01 for one
            percentage point; None: scores are not judged.
    """

    slower: float | None = None
    worse: float | None = None

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "ChangeLimits":
        """Read rules such as slower:5% and worse:1%, each kind at most once.

        Raises:
            InputError: a text is no such rule, or a kind is given twice.
        """
        limits: dict[str, float] = {}
        for text in texts:
            found = _RULE.fullmatch(text)
            if found is None or not 0 < float(found[2]) < 100:
                raise InputError(
                    f"--fail-if: {text!r} is no rule; pass slower: (speed) or worse: (score, in percentage "
                    "points) and a percentage, as slower:5% or worse:1%."
                )
            if found[1] in limits:
                raise InputError(f"--fail-if: there are two rules {found[1]}:; pass one.")
            limits[found[1]] = float(found[2]) / 100
        return cls(**limits)

    def too_slow(self, speed: float) -> bool:
        """Return whether a speed, new by old, is below the limit; of latencies it is old by new."""
        return self.slower is not None and speed < 1 - self.slower

    def too_bad(self, lost: float) -> bool:
        """Return whether so much of a score, on a scale from 0 to 1, is more than may be lost."""
        return self.worse is not None and lost > self.worse
