"""Sentences for requests that an endpoint refuses or fails, each with its remedy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from weighbridge.config.quality_settings import AskingProtocol
from weighbridge.core.secrets import mask

_SHOWN_CHARACTERS = 200
_PASSING = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
_KEY_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_TOO_LONG = ("context length", "too long", "max_model_len", "maximum input length", "context window")
_CHAT_INSTEAD = (
    'the protocol "log-likelihood" needs an endpoint that echoes prompts with log-probabilities on '
    "/v1/completions; where it cannot, set quality.mmlu.protocol: chat"
)
_FEWER_SHOTS = "set quality.mmlu.shots lower, or serve the model with a longer context (server.max_model_len)"


@dataclass(frozen=True)
class Asking:
    """What errors of requests name, and the key that they must not show.

    Attributes:
        protocol: The protocol.
        api_key: The key that is sent; None: none is.
        api_key_env: The variable that holds it.
    """

    protocol: AskingProtocol
    api_key: str | None
    api_key_env: str | None


def is_refusal(status: int) -> bool:
    """Return whether a status is the request's fault, and not a busy server's: it would be the same again."""
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSING


def refused(endpoint: str, status: int, body: str, asking: Asking) -> str:
    """Return the sentence for a refused request."""
    said = _said(body, asking)
    return f"the server at {endpoint} refuses a request with {status}{said}; {_remedy(status, said, asking)}."


def failed(endpoint: str, attempts: int, kind: str, detail: str, asking: Asking) -> str:
    """Return the sentence for a request that failed as often as it may.

    Args:
        endpoint: Where the last attempt went.
        attempts: How many there were.
        kind: What happened last: an HTTP status, timeout, connection, malformed.
        detail: What is known of it, such as the server's message.
        asking: How it was asked.
    """
    times = "once" if attempts == 1 else f"{attempts} times"
    return (
        f"the server at {endpoint} failed a request {times}, at last with {kind}{_said(detail, asking)}; see "
        "its log, then repeat the command, which goes on after the subjects that are finished."
    )


def not_echoed(endpoint: str, wanted: int, found: int | None) -> str:
    """Return the sentence for an answer without the log-probabilities of the prompt's tokens."""
    shown = "none" if found is None else f"{found:,}"
    return (
        f"the server at {endpoint} answers a prompt with {shown} instead of {wanted:,} log-probabilities; "
        f"{_CHAT_INSTEAD}."
    )


def too_long(subject: str, tokens: int, context: int, shots: int) -> str:
    """Return the sentence for a prompt that the served model cannot take whole; the harness would cut it."""
    return (
        f"a question of {subject} has {tokens:,} tokens with {shots} solved ones before it, but the server "
        f"takes {context:,}; {_FEWER_SHOTS}."
    )


def _remedy(status: int, said: str, asking: Asking) -> str:
    if status in _KEY_REFUSED:
        if asking.api_key_env is None:
            return "set client.api_key_env to the name of the environment variable that holds the key"
        return f"{asking.api_key_env} holds a key that it does not take; export another one"
    if any(mark in said.lower() for mark in _TOO_LONG):
        return _FEWER_SHOTS
    if asking.protocol is AskingProtocol.LOG_LIKELIHOOD:
        return _CHAT_INSTEAD
    return "see its log; the chat protocol needs /v1/chat/completions"


def _said(body: str, asking: Asking) -> str:
    """Return what a server says of an error, shortened, without the key that it may repeat; "": nothing."""
    text = " ".join(mask(_message_in(body), [asking.api_key]).split()).rstrip(".")
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]} ..."
    return f" ({text})" if text else ""


def _message_in(body: str) -> str:
    """Return the message of an error in OpenAI's form, in FastAPI's or in any other."""
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, Mapping):
        for name in ("error", "message", "detail"):
            found = content.get(name)
            if isinstance(found, Mapping):
                found = found.get("message")
            if isinstance(found, str):
                return found
    return body
