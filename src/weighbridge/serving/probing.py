"""Asking a server a few things the way its users do: its models, one known request, a warm-up."""

import contextlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import openai
from openai.types.chat import ChatCompletion

from weighbridge.core.errors import SetupError
from weighbridge.core.models import Model

log = logging.getLogger(__name__)

Item = TypeVar("Item")

_WARMUP_CONCURRENCY = 8
_NO_KEY = "none"  # the OpenAI client insists on a key; servers without one ignore it


class Golden(Model):
    """A request and the answer recorded for it."""

    sample: int
    temperature: float
    answer: str


def _client(endpoint: str, api_key: str | None, timeout_s: float) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{endpoint.removesuffix('/').removesuffix('/v1')}/v1",
        api_key=api_key or _NO_KEY,
        timeout=timeout_s,
        max_retries=0,
    )


def served_models(endpoint: str, api_key: str | None = None) -> list[str] | None:
    """Ask for the names of the served models; None while nothing answers.

    Raises:
        SetupError: the endpoint answers, and refuses or does not know the question.
    """
    with _client(endpoint, api_key, timeout_s=5) as client:
        try:
            return [model.id for model in client.models.list()]
        except (openai.AuthenticationError, openai.PermissionDeniedError):
            raise SetupError(
                f"the server at {endpoint} refuses the key; set client.api_key_env to the name of the "
                "environment variable that holds it."
            ) from None
        except openai.NotFoundError:
            raise SetupError(
                f"{endpoint} answers, but not /v1/models; is it an OpenAI-compatible server?"
            ) from None
        except openai.APIError:
            return None


def server_version(endpoint: str, api_key: str | None = None) -> str | None:
    """Ask a vLLM server for its version; None where the server does not tell."""
    with _client(endpoint, api_key, timeout_s=5) as client:
        try:
            answer: Any = client.get("../version", cast_to=object)
        except openai.APIError:
            return None
    return answer.get("version") if isinstance(answer, dict) else None


def keeps_prefixes(endpoint: str, api_key: str | None = None) -> bool | None:
    """Ask a server whether it reuses the work on a prompt's beginning for another prompt.

    vLLM tells it among its metrics (`vllm:cache_config_info`), SGLang in its server info.

    Returns:
        None where the server does not tell.
    """
    with _client(endpoint, api_key, timeout_s=5) as client:
        with contextlib.suppress(openai.APIError):
            told = re.search(
                r'^vllm:cache_config_info\{.*enable_prefix_caching="(\w+)"',
                client.get("../metrics", cast_to=str),
                re.MULTILINE,
            )
            if told:
                return told[1] == "True"
        with contextlib.suppress(openai.APIError):
            answer: Any = client.get("../get_server_info", cast_to=object)
            if isinstance(answer, dict) and isinstance(answer.get("disable_radix_cache"), bool):
                return not answer["disable_radix_cache"]
    return None


def check_golden(endpoint: str, golden: Path, body: bytes, api_key: str | None, timeout_s: float) -> None:
    """Send the known request and compare the answer with the recorded one, letter by letter.

    A build can be healthy and wrong (vLLM 0.12's CPU rms_norm ignored strides): this is what notices.

    Args:
        endpoint: Where to send it.
        golden: File with the sample, the temperature and the answer.
        body: The stored request of that sample.
        api_key: Key to send, if any.
        timeout_s: How long to wait for the answer.

    Raises:
        SetupError: another answer came, or none.
    """
    known = Golden.read(golden)
    request = json.loads(body) | {"temperature": known.temperature, "stream": False}
    request.pop("stream_options", None)
    answer = _ask(endpoint, request, api_key, timeout_s).choices[0].message.content
    if answer != known.answer:
        raise SetupError(
            f"the server answers the known request wrongly: {answer!r} instead of {known.answer!r} "
            f"({golden}); its build or its arguments change the model's output, so nothing was measured."
        )


def warm_up(endpoint: str, bodies: Sequence[bytes], api_key: str | None, timeout_s: float) -> None:
    """Send requests before the clock starts, so that lazy compilation is over by then.

    Raises:
        SetupError: a request failed.
    """
    at_once(lambda body: _ask(endpoint, json.loads(body), api_key, timeout_s), bodies, _WARMUP_CONCURRENCY)


def at_once(do: Callable[[Item], object], items: Sequence[Item], threads: int) -> None:
    """Do something with several items at the same time; the first error ends the waiting."""
    pool = ThreadPoolExecutor(threads)
    try:
        list(pool.map(do, items))
    finally:
        # An interrupt must not wait for a server that hangs: stopping the server ends these threads.
        pool.shutdown(wait=False, cancel_futures=True)


def _ask(endpoint: str, request: dict[str, Any], api_key: str | None, timeout_s: float) -> ChatCompletion:
    with _client(endpoint, api_key, timeout_s) as client:
        try:
            # A plain post sends the body as it is; `create` would rewrite it.
            return client.post("/chat/completions", body=request, cast_to=ChatCompletion)
        except openai.APIError as error:
            raise SetupError(f"the server at {endpoint} failed a request before the run: {error}.") from None
