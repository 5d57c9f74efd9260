"""The answers of the simulated server: a right and a wrong one to each body of a request store."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.round import Round
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import body_hash
from weighbridge.simulate.request_fields import RequestFields

_TEXT_PER_TOKEN = 4


class SimulatedAnswer(NamedTuple):
    """An answer.

    Attributes:
        text: Its text; None is sent as null.
        ids: Its token ids, each a little-endian int32, the last an end of sequence; None: it has none.
        cut: Whether it was cut to the most tokens that the request allows.
        logprobs: Log-probabilities of its tokens, in the form of completions; None: it has none.
    """

    text: str | None
    ids: bytes | None = None
    cut: bool = False
    logprobs: Mapping[str, object] | None = None

    @property
    def tokens(self) -> int:
        """Number of tokens; without ids an approximate one, at least 1."""
        return tokens_of(self.text) if self.ids is None else len(self.ids) // 4

    def within(self, most_tokens: int) -> "SimulatedAnswer":
        """Return the answer cut to so many tokens; 0 cuts nothing."""
        if not most_tokens or self.ids is None or self.tokens <= most_tokens:
            return self
        text = (self.text or "")[: len(self.text or "") * most_tokens // self.tokens]
        return SimulatedAnswer(text, self.ids[: 4 * most_tokens], cut=True)


class KnownBody(NamedTuple):
    """The answers to a known body.

    Attributes:
        sample: The number of its sample; -1: it has none.
        right, wrong: The two answers.
    """

    sample: int
    right: SimulatedAnswer
    wrong: SimulatedAnswer


# To bodies that are not in the store.
_ANYTHING = SimulatedAnswer("a simulated answer", np.arange(1, 19, dtype="<i4").tobytes())
_UNKNOWN = KnownBody(-1, _ANYTHING, _ANYTHING)


class Answers(Protocol):
    """What the simulated server answers."""

    @property
    def model_name(self) -> str:
        """Name of the model in /models and in completions."""

    @property
    def api(self) -> Api | None:
        """The only kind of request that is answered; None: both."""

    @property
    def known(self) -> int:
        """Number of answers of their own; 0: all requests have the same answer."""

    def read(self, body: bytes) -> RequestFields:
        """Read the fields of a body."""

    def key(self, body: bytes) -> int:
        """Return the hash that decides the answer and the service time."""

    def of(self, key: int, fields: RequestFields) -> KnownBody:
        """Return the answers to the body with this hash and these fields."""


class KnownAnswers:
    """The answers to known bodies, and one answer to all others."""

    def __init__(
        self,
        model_name: str,
        bodies: Mapping[int, KnownBody] | None = None,
        api: Api | None = None,
    ) -> None:
        """Store the answers.

        Args:
            model_name: Name of the model in /models and in completions.
            bodies: Hash of each known body -> its answers.
            api: The only kind of request that is answered; None answers both.
        """
        self.model_name, self.api = model_name, api
        self._bodies = bodies or {}

    def read(self, body: bytes) -> RequestFields:
        """Read the fields of a body."""
        return RequestFields.of(body)

    def key(self, body: bytes) -> int:
        """Return the hash that decides the answer and the service time."""
        return body_hash(body)

    def of(self, key: int, _fields: RequestFields) -> KnownBody:
        """Return the answers to the body with the hash `key`; a fixed one for an unknown body."""
        return self._bodies.get(key, _UNKNOWN)

    @property
    def known(self) -> int:
        """Number of bodies with answers of their own."""
        return len(self._bodies)


def tokens_of(text: str | None) -> int:
    """Return a text's approximate number of tokens, at least 1."""
    return max(1, len(text or "") // _TEXT_PER_TOKEN)


def answers_from_dataset(
    *, store: Path, dataset: Path, prompt: Path | None, model: Path | None, round_: Round
) -> KnownAnswers:
    """Return a right and a wrong answer for each body of a request store, from the dataset's ground truth.

    A body that is sent both streamed and not has the same answers in both forms.

    Args:
        store: Folder of the request store.
        dataset: Folder of the dataset.
        prompt: The benchmark's prompt file, if it has one.
        model: Folder of the model, whose tokenizer makes token ids; None: not on this machine.
        round_: Names the benchmark and the dataset's splits.

    Raises:
        InputError: the store, the dataset, the model or the prompt cannot be used.
    """
    requests = RequestStore.open(store)
    task = load_benchmark(round_.benchmark).task(prompt, model)
    # A store may hold only the first samples.
    pairs = task.sample_answers(task.truth(dataset, round_.splits).head(len(requests)))
    texts = [text for pair in pairs for text in pair]
    ids: list[bytes] | list[None] = [None] * len(texts)
    if task.answers is AnswerKind.TOKENS:
        ids = task.encoded(texts)
    made = [SimulatedAnswer(text, found) for text, found in zip(texts, ids, strict=True)]
    known = [KnownBody(sample, *made[2 * sample : 2 * sample + 2]) for sample in range(len(pairs))]
    bodies = {body_hash(requests.body(each.sample)): each for each in known}
    if requests.manifest.streamed is not None:
        streamed = RequestStore.open(store, streamed=True)
        bodies |= {body_hash(streamed.sent(each.sample)): each for each in known}
    return KnownAnswers(requests.manifest.model_name, bodies, requests.manifest.api)
