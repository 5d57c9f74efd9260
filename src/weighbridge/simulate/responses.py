"""Responses of the simulated server: completions of both kinds, event streams, and the /metrics page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.round import Round
from weighbridge.core.openai_api import Api
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import body_hash

_PIECES = 4  # of a streamed answer
_FALLBACK = "a simulated answer"  # to bodies that are not in the store
_OWN_ID = b"simulated"  # of answers to requests without an id


class Echo(NamedTuple):
    """What an answer repeats of its request.

    Attributes:
        request_id: The header X-Request-Id; empty: there was none.
        prompt_tokens: The tokens of its prompt.
    """

    request_id: bytes = b""
    prompt_tokens: int = 1

    def answer_id(self, api: Api) -> bytes:
        """Return the id of the answer as vLLM makes it, in JSON without the quotation marks."""
        if not self.request_id:
            return _OWN_ID
        prefix = b"chatcmpl-" if api is Api.CHAT else b"cmpl-"
        if self.request_id.isalnum():
            return prefix + self.request_id
        return prefix + json.dumps(self.request_id.decode("latin-1"))[1:-1].encode()


class Answers:
    """A right and a wrong answer for each known body, and their encoding as JSON."""

    def __init__(
        self,
        model_name: str,
        texts: Mapping[int, tuple[str, str]] | None = None,
        api: Api | None = None,
    ) -> None:
        """Store the answers.

        Args:
            model_name: Name of the model in /models and in completions.
            texts: Hash of each known body -> (right answer, wrong answer).
            api: The only kind of request that is answered; None answers both.
        """
        self.model_name, self.api = model_name, api
        self._texts = texts or {}

    def text(self, key: int, right: bool) -> str:
        """Return the answer to the body with the hash `key`; a fixed text for an unknown body."""
        known = self._texts.get(key)
        return _FALLBACK if known is None else known[0 if right else 1]

    @property
    def known(self) -> int:
        """Number of bodies with answers of their own."""
        return len(self._texts)

    def completion(self, api: Api, text: str | None, echo: Echo, *, usage: bool = True) -> bytes:
        """Return a whole answer as JSON; `usage` includes the token counts."""
        return filled(self.prepared(api, text), api, echo, tokens_of(text) if usage else None)

    def prepared(self, api: Api, text: str | None) -> bytes:
        """Return what is common to all whole answers with this text; `filled` makes an answer of it."""
        choice: dict[str, object] = {"index": 0, "finish_reason": "stop"}
        if api is Api.CHAT:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        return self._json("chat.completion" if api is Api.CHAT else "text_completion", [choice])

    def events(self, api: Api, text: str | None, echo: Echo, *, usage: bool = True) -> list[bytes]:
        """Return an answer as server-sent events, with the text in up to 4 pieces."""
        step = max(1, -(-len(text or "") // _PIECES))
        pieces: list[str | None] = [(text or "")[at : at + step] for at in range(0, len(text or ""), step)]
        choices = [_part(api, piece) for piece in pieces or [text]]
        choices[-1]["finish_reason"] = "stop"
        events = [self._event(api, [choice], echo) for choice in choices]
        if usage:
            events.append(self._event(api, [], echo, tokens_of(text)))
        return [*events, b"data: [DONE]\n\n"]

    def _event(
        self, api: Api, choices: list[dict[str, object]], echo: Echo, tokens: int | None = None
    ) -> bytes:
        kind = "chat.completion.chunk" if api is Api.CHAT else "text_completion"
        return b"data: " + filled(self._json(kind, choices), api, echo, tokens) + b"\n\n"

    def _json(self, kind: str, choices: list[dict[str, object]]) -> bytes:
        content = {"object": kind, "created": 0, "model": self.model_name, "choices": choices}
        return json.dumps(content, ensure_ascii=False).encode()[1:-1]


def filled(prepared: bytes, api: Api, echo: Echo, tokens: int | None) -> bytes:
    """Return an answer to one request: what is prepared, its id, and its token counts unless None."""
    answer = b'{"id": "%b", %b' % (echo.answer_id(api), prepared)
    if tokens is None:
        return answer + b"}"
    return b'%b, "usage": {"prompt_tokens": %d, "completion_tokens": %d, "total_tokens": %d}}' % (
        answer,
        echo.prompt_tokens,
        tokens,
        echo.prompt_tokens + tokens,
    )


def _part(api: Api, piece: str | None) -> dict[str, object]:
    """Return the choice of one event."""
    return {"index": 0, "delta": {"content": piece}} if api is Api.CHAT else {"index": 0, "text": piece}


def tokens_of(text: str | None) -> int:
    """Return an answer's approximate number of tokens, at least 1."""
    return max(1, len(text or "") // 4)


def answers_from_dataset(*, store: Path, dataset: Path, prompt: Path | None, round_: Round) -> Answers:
    """Return a right and a wrong answer for each body of a request store, from the dataset's ground truth.

    Args:
        store: Folder of the request store.
        dataset: Folder of the dataset.
        prompt: The benchmark's prompt file, if it has one.
        round_: Names the benchmark and the dataset's splits.

    Raises:
        InputError: the store, the dataset or the prompt cannot be used.
    """
    requests = RequestStore.open(store)
    task = load_benchmark(round_.benchmark).task(prompt)
    answers = task.sample_answers(task.truth(dataset, round_.splits))
    return Answers(
        requests.manifest.model_name,
        {body_hash(requests.body(index)): pair for index, pair in enumerate(answers)},
        requests.manifest.api,
    )


class ServerCounters:
    """The simulated server's counters, in the format of vLLM's /metrics page.

    Attributes:
        present: Requests received and not yet answered.
        prompt_tokens, generation_tokens: Sums over all complete answers so far.
    """

    def __init__(self, model_name: str, servers: int) -> None:
        """Start at zero; `servers` is the number of requests served at once, 0 for all."""
        self.present = 0
        self.prompt_tokens = self.generation_tokens = 0
        self._servers = servers
        self._labels = f'engine="0",model_name="{model_name}"'

    def answered(self, prompt_tokens: int, generation_tokens: int) -> None:
        """Count a finished request; 0 generated tokens if it failed."""
        self.present -= 1
        if generation_tokens:
            self.prompt_tokens += prompt_tokens
            self.generation_tokens += generation_tokens

    def page(self) -> bytes:
        """Return the /metrics page; the share of busy servers is reported as the KV cache's usage."""
        running = min(self.present, self._servers or self.present)
        lines = [
            "# TYPE vllm:cache_config_info gauge",
            'vllm:cache_config_info{enable_prefix_caching="False",engine="0"} 1.0',
        ]
        for name, kind, value in (
            ("num_requests_running", "gauge", running),
            ("num_requests_waiting", "gauge", self.present - running),
            ("kv_cache_usage_perc", "gauge", running / self._servers if self._servers else 0),
            ("num_preemptions_total", "counter", 0),
            ("prompt_tokens_total", "counter", self.prompt_tokens),
            ("generation_tokens_total", "counter", self.generation_tokens),
            ("prefix_cache_queries_total", "counter", 0),
            ("prefix_cache_hits_total", "counter", 0),
        ):
            lines.append(f"# TYPE vllm:{name} {kind}\nvllm:{name}{{{self._labels}}} {float(value)}")
        return "\n".join([*lines, ""]).encode()
