"""Responses of the simulated server, whole and as event streams: texts, or token ids in vLLM's form."""

import json
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from weighbridge.core.openai_api import Api
from weighbridge.simulate.known_answers import SimulatedAnswer

PIECES = 4
"""Most events with content of a streamed answer whose tokens have no times."""
_OWN_ID = b"simulated"  # of answers to requests without an id
_DONE = b"data: [DONE]\n\n"


class Echo(NamedTuple):
    """What an answer repeats of its request.

    Attributes:
        request_id: The header X-Request-Id; empty: there was none.
        prompt_tokens: The tokens of its prompt.
        prompt_ids: The prompt's token ids in JSON; empty: it was a text.
        cached_tokens: Tokens of the prompt that a cache had; -1: not reported.
    """

    request_id: bytes = b""
    prompt_tokens: int = 1
    prompt_ids: bytes = b""
    cached_tokens: int = -1

    def answer_id(self, api: Api) -> bytes:
        """Return the id of the answer as vLLM makes it, in JSON without the quotation marks."""
        if not self.request_id:
            return _OWN_ID
        prefix = b"chatcmpl-" if api is Api.CHAT else b"cmpl-"
        if self.request_id.isalnum():
            return prefix + self.request_id
        return prefix + json.dumps(self.request_id.decode("latin-1"))[1:-1].encode()


class TextResponses:
    """Answers with a text alone."""

    def __init__(self, model_name: str) -> None:
        """Name the model in each answer."""
        self._model_name = model_name

    def completion(self, api: Api, answer: SimulatedAnswer, echo: Echo, *, usage: bool = True) -> bytes:
        """Return a whole answer as JSON; `usage` includes the token counts."""
        return filled(self.prepared(api, answer), api, echo, answer.tokens if usage else None)

    def prepared(self, api: Api, answer: SimulatedAnswer) -> bytes:
        """Return what is common to all whole answers with this text; `filled` makes an answer of it."""
        choice: dict[str, object] = {"index": 0, "finish_reason": _finish(answer).decode()}
        if api is Api.CHAT:
            choice["message"] = {"role": "assistant", "content": answer.text}
        else:
            choice["text"] = answer.text
            if answer.logprobs is not None:
                choice["logprobs"] = answer.logprobs
        return self._json("chat.completion" if api is Api.CHAT else "text_completion", [choice])

    def events(
        self, api: Api, answer: SimulatedAnswer, echo: Echo, *, usage: bool = True, each_token: bool = False
    ) -> list[bytes]:
        """Return an answer as server-sent events: one a token, or the text in up to 4 pieces."""
        text = answer.text or ""
        if each_token:
            pieces: list[str | None] = [*_parts(text, answer.tokens)]
        else:
            step = max(1, -(-len(text) // PIECES))
            pieces = [text[at : at + step] for at in range(0, len(text), step)]
        choices = [_part(api, piece) for piece in (pieces if text else [answer.text])]
        choices[-1]["finish_reason"] = _finish(answer).decode()
        events = [self._event(api, [choice], echo) for choice in choices]
        if usage:
            events.append(self._event(api, [], echo, answer.tokens))
        return [*events, _DONE]

    def _event(
        self, api: Api, choices: list[dict[str, object]], echo: Echo, tokens: int | None = None
    ) -> bytes:
        kind = "chat.completion.chunk" if api is Api.CHAT else "text_completion"
        return b"data: " + filled(self._json(kind, choices), api, echo, tokens) + b"\n\n"

    def _json(self, kind: str, choices: list[dict[str, object]]) -> bytes:
        content = {"object": kind, "created": 0, "model": self._model_name, "choices": choices}
        return json.dumps(content, ensure_ascii=False).encode()[1:-1]


class TokenResponses:
    """Answers to completion requests with `return_token_ids`, in the form of vLLM 0.12.

    Source: CompletionResponse, CompletionStreamResponse and completion_stream_generator of vLLM.
    """

    def __init__(self, model_name: str) -> None:
        """Name the model in each answer."""
        self._model = json.dumps(model_name).encode()

    def completion(self, answer: SimulatedAnswer, echo: Echo, *, usage: bool = True) -> bytes:
        """Return a whole answer as JSON; `usage` includes the token counts."""
        return (
            b'{"id":"%b","object":"text_completion","created":0,"model":%b,"choices":[{"index":0,"text":%b,'
            b'"logprobs":null,"finish_reason":"%b","stop_reason":null,"token_ids":%b,"prompt_logprobs":null,'
            b'"prompt_token_ids":%b}]%b}'
        ) % (
            echo.answer_id(Api.COMPLETIONS),
            self._model,
            json.dumps(answer.text).encode(),
            _finish(answer),
            b"null" if answer.ids is None else json.dumps(_ids(answer.ids), separators=(",", ":")).encode(),
            echo.prompt_ids or b"null",
            _usage(answer, echo) if usage else b"",
        )

    def events(self, answer: SimulatedAnswer, echo: Echo, *, usage: bool = True) -> list[bytes]:
        """Return an answer as server-sent events, one a token; the end of sequence has no text."""
        start = b'data: {"id":"%b","object":"text_completion","created":0,"model":%b,"choices":[' % (
            echo.answer_id(Api.COMPLETIONS),
            self._model,
        )
        head = start + b'{"index":0,"text":'
        form = (
            b'%b%b,"logprobs":null,"finish_reason":%b,"stop_reason":null,"prompt_token_ids":%b,'
            b'"token_ids":%b}],"usage":null}\n\n'
        )
        ids = [b"[%d]" % each for each in _ids(answer.ids or b"")]
        if ids:
            texts = [json.dumps(piece).encode() for piece in _token_texts(answer)]
        else:  # a failure: no ids, or null in their place
            ids, texts = [b"null" if answer.ids is None else b"[]"], [json.dumps(answer.text).encode()]
        last = len(ids) - 1
        events = [
            form
            % (
                head,
                text,
                b'"%b"' % _finish(answer) if at == last else b"null",
                b"null" if at else echo.prompt_ids or b"null",
                each,
            )
            for at, (text, each) in enumerate(zip(texts, ids, strict=True))
        ]
        if usage:
            events.append(b"%b]%b}\n\n" % (start, _usage(answer, echo)))
        return [*events, _DONE]


def filled(prepared: bytes, api: Api, echo: Echo, tokens: int | None) -> bytes:
    """Return an answer to one request: what is prepared, its id, and its token counts unless None."""
    answer = b'{"id": "%b", %b' % (echo.answer_id(api), prepared)
    if tokens is None:
        return answer + b"}"
    return b'%b, "usage": {"prompt_tokens": %d, "completion_tokens": %d, "total_tokens": %d%b}}' % (
        answer,
        echo.prompt_tokens,
        tokens,
        echo.prompt_tokens + tokens,
        _cached(echo),
    )


def _cached(echo: Echo) -> bytes:
    if echo.cached_tokens < 0:
        return b""
    return b', "prompt_tokens_details": {"cached_tokens": %d}' % echo.cached_tokens


def _usage(answer: SimulatedAnswer, echo: Echo) -> bytes:
    return b',"usage":{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d%b}' % (
        echo.prompt_tokens,
        echo.prompt_tokens + answer.tokens,
        answer.tokens,
        _cached(echo),
    )


def _finish(answer: SimulatedAnswer) -> bytes:
    return b"length" if answer.cut else b"stop"


def _ids(ids: bytes) -> list[int]:
    found: list[int] = np.frombuffer(ids, dtype="<i4").tolist()
    return found


def _token_texts(answer: SimulatedAnswer) -> list[str]:
    """Return the text of each token; that of an end of sequence is empty."""
    text = answer.text or ""
    if answer.cut or answer.tokens < 2:
        return _parts(text, answer.tokens)
    return [*_parts(text, answer.tokens - 1), ""]


def _parts(text: str, count: int) -> list[str]:
    """Return a text in `count` parts of about the same length."""
    edges = [len(text) * at // count for at in range(count + 1)]
    return [text[start:stop] for start, stop in pairwise(edges)]


def _part(api: Api, piece: str | None) -> dict[str, object]:
    """Return the choice of one event."""
    return {"index": 0, "delta": {"content": piece}} if api is Api.CHAT else {"index": 0, "text": piece}
