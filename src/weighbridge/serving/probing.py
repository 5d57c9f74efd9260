"""Requests to a server outside the measured time: its models, its facts, one known request, a warm-up."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import openai
from openai.types import Completion
from openai.types.chat import ChatCompletion

from weighbridge.core.errors import SetupError
from weighbridge.core.openai_api import Api
from weighbridge.core.secrets import mask
from weighbridge.serving.adapter import ServerAdapter, ServerFacts, json_answer, version_in
from weighbridge.serving.direct_client import direct_client
from weighbridge.serving.installed_adapters import all_adapters

log = logging.getLogger(__name__)

Item = TypeVar("Item")

_WARMUP_CONCURRENCY = 8


def context_length(endpoint: str, model_name: str, api_key: str | None = None) -> int | None:
    """Return how many tokens of prompt and answer a served model takes; None: it is not reported."""
    with direct_client(endpoint, api_key, timeout_s=5) as client, suppress(openai.APIError, ValueError):
        for model in client.models.list():
            found = getattr(model, "max_model_len", None)  # vLLM and SGLang; OpenAI has no such field
            if model.id == model_name and isinstance(found, int):
                return found
    return None


def recognise(
    endpoint: str, api_key: str | None = None, known: ServerAdapter | None = None
) -> tuple[ServerAdapter | None, ServerFacts]:
    """Return the adapter that fits a running server, and what the server reports.

    The adapter is None for a server that none of them knows; its version is then what /version answers.

    Args:
        endpoint: Base URL of the server.
        api_key: Key to send, if any.
        known: Adapter to try first.

    Raises:
        SetupError: an installed adapter cannot be loaded.
    """
    with direct_client(endpoint, api_key, timeout_s=5) as client:
        for adapter in chain(() if known is None else (known,), all_adapters()):
            if facts := adapter.inspect(lambda path: _get(client, path)):
                return adapter, facts
        return None, _version_only(client)


def inspect_server(adapter: ServerAdapter, endpoint: str, api_key: str | None = None) -> ServerFacts:
    """Return what a running server of a known kind reports; at least its version, where /version has it."""
    with direct_client(endpoint, api_key, timeout_s=5) as client:
        return adapter.inspect(lambda path: _get(client, path)) or _version_only(client)


def _version_only(client: openai.OpenAI) -> ServerFacts:
    # Other servers, and a vLLM without metrics, answer /version in the same form.
    return ServerFacts(version_in(json_answer(lambda path: _get(client, path), "/version")))


def _get(client: openai.OpenAI, path: str) -> str | None:
    try:
        return client.get(f"..{path}", cast_to=str)
    except openai.APIError:
        return None


def unstreamed(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request whose answer comes whole."""
    return {name: value for name, value in request.items() if name != "stream_options"} | {"stream": False}


def warm_up(endpoint: str, api: Api, bodies: Sequence[bytes], api_key: str | None, timeout_s: float) -> None:
    """Send requests before the clock starts, so that lazy compilation is over by then.

    Raises:
        SetupError: a request failed.
    """
    at_once(
        lambda body: post(endpoint, api, json.loads(body), api_key, timeout_s), bodies, _WARMUP_CONCURRENCY
    )


def at_once(do: Callable[[Item], object], items: Sequence[Item], threads: int) -> None:
    """Call a function on several items in parallel threads; the first error ends the wait.

    An interrupt does not wait for a server that hangs: nothing waits for these threads.
    """
    left: SimpleQueue[Item] = SimpleQueue()
    ended: SimpleQueue[Exception | None] = SimpleQueue()
    for item in items:
        left.put(item)
    stop = threading.Event()

    def work() -> None:
        with suppress(Empty):
            while not stop.is_set():
                item = left.get_nowait()
                try:
                    do(item)
                except Exception as error:
                    ended.put(error)
                else:
                    ended.put(None)

    try:
        for _ in range(min(threads, len(items))):
            threading.Thread(target=work, daemon=True).start()
        for _ in items:
            if (error := ended.get()) is not None:
                raise error
    finally:
        stop.set()


def post(
    endpoint: str, api: Api, request: dict[str, Any], api_key: str | None, timeout_s: float
) -> ChatCompletion | Completion | str:
    """Post a request as it is; return the answer, or its text where the answer is streamed.

    Raises:
        SetupError: the request failed, or its answer cannot be that of the model that was asked for.
    """
    path = api.path.removeprefix("/v1")
    with direct_client(endpoint, api_key, timeout_s) as client:
        try:
            # A plain post sends the body as it is; `create` would rewrite it.
            answer: ChatCompletion | Completion | str
            if api is Api.CHAT:
                answer = client.post(path, body=request, cast_to=ChatCompletion)
            else:
                answer = client.post(path, body=request, cast_to=Completion)
        except (openai.APIError, json.JSONDecodeError) as error:
            told = mask(str(error), [api_key])  # a server may repeat the key that it refuses
            raise SetupError(f"the server at {endpoint} failed a request before the run: {told}.") from None
    if not isinstance(answer, ChatCompletion | Completion | str):  # the library takes any JSON
        raise SetupError(f"the server at {endpoint} answered a request before the run with no completion.")
    asked = request.get("model")
    if not isinstance(answer, str) and answer.model != asked:
        raise SetupError(
            f"the server at {endpoint} answers as the model {answer.model!r}, asked for was {asked!r}: every "
            "request of the run would fail; make the first name that it serves server.model_name."
        )
    _check_prompt(endpoint, request, answer)
    return answer


def _check_prompt(endpoint: str, request: dict[str, Any], answer: ChatCompletion | Completion | str) -> None:
    """Compare the prompt's token ids as the server used them, where it returns them, with those sent.

    Raises:
        SetupError: they differ.
    """
    sent, used = request.get("prompt"), of_choice(answer, "prompt_token_ids")
    if isinstance(sent, list) and isinstance(used, list) and used != sent:
        raise SetupError(
            f"the server at {endpoint} answers another prompt: it used {len(used)} token ids, first "
            f"{used[:4]}, where {len(sent)} were sent, first {sent[:4]}; make it take the ids as they are."
        )


def of_choice(answer: ChatCompletion | Completion | str, name: str) -> object:
    """Return a field that the library does not know of an answer's choice; None: it has none."""
    with suppress(AttributeError, IndexError, TypeError):  # a text, or a completion without choices
        return getattr(answer.choices[0], name, None)  # type: ignore[union-attr]
    return None
