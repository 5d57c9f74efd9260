"""The answers of the simulated server: a right and a wrong one to each sample of a request store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from weighbridge.benchmarks.content_index import ContentIndex
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
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
    def known(self) -> int:
        """Number of answers of their own; 0: all requests have the same answer."""

    def read(self, body: bytes) -> RequestFields:
        """Read the fields of a body."""

    def key(self, body: bytes) -> int:
        """Return the hash that decides the answer and the service time."""

    def of(self, key: int, fields: RequestFields) -> KnownBody:
        """Return the answers to the body with this hash and these fields."""

    def accepts(self, api: Api, body: bytes) -> bool:
        """Return whether a request of this kind is answered."""


class KnownSamples(NamedTuple):
    """The samples of a store, by the content of requests that may have other bodies than the store's.

    Attributes:
        content: Finds the sample of a request.
        keys: Whether it is streamed -> hash of each sample's own body in that form.
    """

    content: ContentIndex
    keys: Mapping[bool, Sequence[int]]


class KnownAnswers:
    """The answers to known bodies and to requests about the same samples, and one answer to all others."""

    def __init__(
        self,
        model_name: str,
        bodies: Mapping[int, KnownBody] | None = None,
        api: Api | None = None,
        samples: Sequence[KnownSamples] = (),
    ) -> None:
        """Store the answers.

        Args:
            model_name: Name of the model in /models and in completions.
            bodies: Hash of each known body -> its answers.
            api: The only kind of request that is answered, unless it is about a known sample; None: both.
            samples: What finds the samples of other bodies, store by store.
        """
        self.model_name, self.api = model_name, api
        self._bodies, self.samples = bodies or {}, samples

    def read(self, body: bytes) -> RequestFields:
        """Read the fields of a body."""
        return RequestFields.of(body)

    def key(self, body: bytes) -> int:
        """Return the hash that decides the answer and the service time.

        Of a body that is about a known sample it is that of the sample's own body. So whoever asks about a
        sample gets the same answer after the same time.
        """
        key = body_hash(body)
        if key in self._bodies:
            return key
        for known in self.samples:
            if (sample := known.content.sample_of(body)) is not None:
                keys = known.keys[RequestFields.of(body).stream]
                if sample < len(keys):
                    return keys[sample]
        return key

    def of(self, key: int, _fields: RequestFields) -> KnownBody:
        """Return the answers to the body with the hash `key`; a fixed one for an unknown body."""
        return self._bodies.get(key, _UNKNOWN)

    def accepts(self, api: Api, body: bytes) -> bool:
        """Return whether a request of this kind is answered."""
        if self.api in (None, api):
            return True
        return body_hash(body) not in self._bodies and self.key(body) in self._bodies

    @property
    def known(self) -> int:
        """Number of bodies with answers of their own."""
        return len(self._bodies)

    @classmethod
    def of_stores(cls, stores: Sequence["KnownAnswers"]) -> "KnownAnswers":
        """Return the answers of several stores that go to one server.

        Raises:
            InputError: they ask for different models, or for different kinds of answers.
        """
        first = stores[0]
        for other in stores[1:]:
            for what, ours, theirs in (
                ("model", first.model_name, other.model_name),
                ("API", first.api, other.api),
            ):
                if ours != theirs:
                    raise InputError(
                        f"the stores ask for the {what} {ours} and {theirs}; a server has one: build the "
                        "requests again, or start a server for each."
                    )
        bodies = {key: body for each in stores for key, body in each._bodies.items()}
        return cls(first.model_name, bodies, first.api, [known for each in stores for known in each.samples])


def tokens_of(text: str | None) -> int:
    """Return a text's approximate number of tokens, at least 1."""
    return max(1, len(text or "") // _TEXT_PER_TOKEN)


def answers_from_dataset(
    *, store: Path, dataset: Path, prompt: Path | None, model: Path | None, round_: Round
) -> KnownAnswers:
    """Return a right and a wrong answer for each sample of a request store, from the dataset's ground truth.

    A body that is sent both streamed and not has the same answers in both forms. Other bodies are known by
    what the benchmark finds in them.

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
    truth = task.truth(dataset, round_.splits).head(len(requests))
    pairs = task.sample_answers(truth)
    texts = [text for pair in pairs for text in pair]
    ids: list[bytes] | list[None] = [None] * len(texts)
    if task.answers is AnswerKind.TOKENS:
        ids = task.encoded(texts)
    made = [SimulatedAnswer(text, found) for text, found in zip(texts, ids, strict=True)]
    known = [KnownBody(sample, *made[2 * sample : 2 * sample + 2]) for sample in range(len(pairs))]
    stored = [body_hash(requests.body(sample)) for sample in range(len(pairs))]
    streamed = stored
    if requests.manifest.streamed is not None:
        store_streamed = RequestStore.open(store, streamed=True)
        streamed = [body_hash(store_streamed.sent(sample)) for sample in range(len(pairs))]
    bodies = dict(zip(stored, known, strict=True)) | dict(zip(streamed, known, strict=True))
    index = task.content_index(dataset, round_.splits, map(requests.body, range(len(pairs))))
    samples = KnownSamples(index, {False: stored, True: streamed})
    return KnownAnswers(requests.manifest.model_name, bodies, requests.manifest.api, [samples])
