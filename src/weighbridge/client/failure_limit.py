"""When failures end a run of conversations: the system cannot do the work, and nothing is worth measuring."""

from collections import Counter

from weighbridge.client.frames import RequestOutcome

MOST_IN_A_ROW = 20
FIRST_REQUESTS = 100
"""Among these at most a share may fail."""
_EVIDENCE_CHARACTERS = 300


class FailureLimit:
    """Counts failures."""

    def __init__(self, share: float) -> None:
        """Allow this share of the first 100 requests to fail."""
        self._most = share * FIRST_REQUESTS
        self._ended = self._in_a_row = 0
        self._kinds: Counter[RequestOutcome] = Counter()
        self._evidence: dict[RequestOutcome, str] = {}

    def answered(self, requests: int = 1) -> None:
        """Note requests that ended well."""
        self._ended += requests
        self._in_a_row = 0

    def failed(self, outcome: RequestOutcome, evidence: str) -> str | None:
        """Note a request that failed; return why the run ends, if it does."""
        self._ended += 1
        self._in_a_row += 1
        self._kinds[outcome] += 1
        self._evidence.setdefault(outcome, evidence[:_EVIDENCE_CHARACTERS].strip())
        failed = self._kinds.total()
        if self._in_a_row >= MOST_IN_A_ROW:
            return self._reason(f"{self._in_a_row} requests in a row failed")
        if self._ended <= FIRST_REQUESTS and failed > self._most:
            return self._reason(f"{failed} of the first {self._ended} requests failed")
        return None

    def _reason(self, what: str) -> str:
        kind, count = self._kinds.most_common(1)[0]
        evidence = self._evidence[kind]
        return f"{what}, {count} as {kind.label}{': ' if evidence else ''}{evidence}"
