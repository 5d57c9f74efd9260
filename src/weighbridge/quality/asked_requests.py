"""Count requests and failed attempts, keep the cost of each answer, and share requests among endpoints."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from weighbridge.records.quality_answers import RequestCounts


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """One answered request.

    Attributes:
        latency_ns: From its sending to the last byte of its answer, of the attempt that succeeded.
        prompt_tokens: As the server reports them; None: it does not.
        output_tokens: Likewise.
    """

    latency_ns: int
    prompt_tokens: int | None
    output_tokens: int | None


def usage_of(answer: Mapping[str, object]) -> tuple[int | None, int | None]:
    """Return the tokens of the prompt and of the output that an answer reports; None: it does not."""
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return None, None
    prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return prompt if isinstance(prompt, int) else None, output if isinstance(output, int) else None


@dataclass
class AskedRequests:
    """The requests of one subject.

    Attributes:
        answered: Called after each answered request.
        retries: Attempts that were made again.
        failed_attempts: By kind.
    """

    answered: Callable[[], None]
    retries: int = 0
    failed_attempts: Counter[str] = field(default_factory=Counter)
    _by_key: dict[object, deque[AnsweredRequest]] = field(default_factory=lambda: defaultdict(deque))
    _count: int = 0

    def add(self, key: object, request: AnsweredRequest) -> None:
        """Add an answered request; the key says what was asked. Equal questions have equal keys."""
        self._by_key[key].append(request)
        self._count += 1
        self.answered()

    def take(self, key: object) -> AnsweredRequest | None:
        """Return an answered request of a key, each once; None: there is none left."""
        found = self._by_key.get(key)
        return found.popleft() if found else None

    @property
    def counts(self) -> RequestCounts:
        """All of them, counted."""
        return RequestCounts(
            requests=self._count,
            retries=self.retries,
            failed_attempts=dict(sorted(self.failed_attempts.items())),
        )


class OpenRequests:
    """How many requests are open at each endpoint, so that all have about as many."""

    def __init__(self, endpoints: tuple[str, ...]) -> None:
        self._open = dict.fromkeys(endpoints, 0)

    @contextmanager
    def next(self) -> Iterator[str]:
        """Choose the endpoint with the fewest open requests for the length of a with block."""
        endpoint = min(self._open, key=self._open.__getitem__)
        self._open[endpoint] += 1
        try:
            yield endpoint
        finally:
            self._open[endpoint] -= 1
