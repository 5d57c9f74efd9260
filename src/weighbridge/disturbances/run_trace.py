"""The requests of a run as the search for disturbances reads them: times of issue and end, lengths."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.integer[Any]]

# Planned within so long of each other, requests are one query.
_AT_ONCE_S = 1e-3


@dataclass(frozen=True)
class RunTrace:
    """The requests of a run in the order of their ends; each array has shape (n,), n > 0.

    Attributes:
        planned_s: When each was issued, in s since the first issue.
        end_s: When each ended, ascending.
        tokens: Tokens of each answer, at least 1; all 1 where servers count none.
        sample: Number of each request's sample.
    """

    planned_s: Floats
    end_s: Floats
    tokens: Floats
    sample: Numbers

    @classmethod
    def of(cls, planned_ns: Numbers, end_ns: Numbers, tokens: Numbers, sample: Numbers) -> "RunTrace | None":
        """Return the trace of a run's requests in any order; None: there are none.

        Args:
            planned_ns: When each was issued, on any clock, shape (n,).
            end_ns: When each ended, on the same clock.
            tokens: Tokens of each answer; 0 or less: not counted.
            sample: Number of each sample.
        """
        if not len(end_ns):
            return None
        order = np.argsort(end_ns, kind="stable")
        start = int(planned_ns.min())
        return cls(
            (planned_ns[order] - start) / 1e9,
            (end_ns[order] - start) / 1e9,
            np.maximum(tokens[order], 1).astype(np.float64),
            sample[order],
        )

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.end_s)

    @property
    def at_once(self) -> bool:
        """Return whether all requests were issued together, as Offline: latencies count from then."""
        return bool(np.ptp(self.planned_s) < _AT_ONCE_S)

    @property
    def counts_tokens(self) -> bool:
        """Return whether servers counted the tokens of answers."""
        return bool((self.tokens > 1).any())

    @property
    def span_s(self) -> float:
        """Return the time from the first issue to the last end, in s."""
        return float(self.end_s[-1])

    @property
    def latency_s(self) -> Floats:
        """Return each request's time from issue to end, in s."""
        return self.end_s - self.planned_s

    @property
    def rate(self) -> float:
        """Return the ended requests per s, over the whole run."""
        return len(self) / max(self.span_s, 1e-9)
