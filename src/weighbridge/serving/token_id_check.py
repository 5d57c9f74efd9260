"""Check before a run that a server answers with token ids, in each form in which it will be asked."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from weighbridge.core.errors import SetupError
from weighbridge.core.openai_api import Api
from weighbridge.serving.probing import of_choice, post, unstreamed


def check_token_ids(endpoint: str, api: Api, body: bytes, api_key: str | None, timeout_s: float) -> None:
    """Check that the server answers with token ids, and that it used those of the prompt.

    A request that is streamed is sent a second time as one that is not, and both answers are looked at.

    Args:
        endpoint: Where to send it.
        api: Where to post it.
        body: A request as the run sends it.
        api_key: Key to send, if any.
        timeout_s: How long to wait for the answer.

    Raises:
        SetupError: it does not, or fails the request.
    """
    request = json.loads(body)
    answer = post(endpoint, api, unstreamed(request), api_key, timeout_s)
    ids, used, tokens = of_choice(answer, "token_ids"), of_choice(answer, "prompt_token_ids"), None
    wanted = {"token_ids": ids} | (
        {"prompt_token_ids": used} if isinstance(request.get("prompt"), list) else {}
    )
    _refuse_missing(endpoint, [name for name, found in wanted.items() if not found], "")
    with suppress(AttributeError):
        tokens = answer.usage.completion_tokens  # type: ignore[union-attr]
    _refuse_other_count(endpoint, len(ids) if isinstance(ids, list) else None, tokens)
    if request.get("stream"):
        events = list(_events(str(post(endpoint, api, request, api_key, timeout_s))))
        count = sum(len(ids) for event in events if isinstance(ids := _ids_of(event), list))
        _refuse_missing(endpoint, [] if count else ["token_ids"], " in a stream")
        usages = [event["usage"] for event in events if isinstance(event.get("usage"), dict)]
        _refuse_other_count(endpoint, count, usages[-1].get("completion_tokens") if usages else None)


def _refuse_missing(endpoint: str, missing: list[str], where: str) -> None:
    if missing:
        raise SetupError(
            f"the server at {endpoint} returns no {' and no '.join(missing)}{where} though the request has "
            "return_token_ids, and answers of this benchmark are token ids; serve with vLLM 0.10.2 or newer, "
            "or an SGLang that knows return_token_ids."
        )


def _refuse_other_count(endpoint: str, count: int | None, tokens: object) -> None:
    if tokens is None:
        raise SetupError(
            f"the server at {endpoint} does not say in 'usage' how many tokens an answer has: every request "
            "of the run would fail; use a server that does."
        )
    if count != tokens:
        raise SetupError(
            f"the server at {endpoint} returns token_ids that are not the {tokens} tokens of its usage: "
            "every request of the run would fail; use a server whose counts agree."
        )


def _events(stream: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of server-sent events; what is none is left out."""
    for line in stream.splitlines():
        with suppress(ValueError):
            event = json.loads(line.removeprefix("data:"))
            if isinstance(event, dict):
                yield event


def _ids_of(event: dict[str, Any]) -> object:
    with suppress(KeyError, IndexError, TypeError, AttributeError):
        return event["choices"][0].get("token_ids")
    return None
