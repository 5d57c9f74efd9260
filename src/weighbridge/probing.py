"""Asking a server a few things the way its users do: its models, one known request, a warm-up."""

import json
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from weighbridge.errors import SetupError
from weighbridge.models import Model

log = logging.getLogger(__name__)

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


def warm_up(endpoint: str, bodies: Sequence[bytes], api_key: str | None, timeout_s: float) -> float:
    """Send requests before the clock starts, so that lazy compilation is over by then.

    Returns:
        Seconds that it took.

    Raises:
        SetupError: a request failed.
    """
    started = time.monotonic()
    with ThreadPoolExecutor(_WARMUP_CONCURRENCY) as pool:
        list(pool.map(lambda body: _ask(endpoint, json.loads(body), api_key, timeout_s), bodies))
    return time.monotonic() - started


def _ask(endpoint: str, request: dict[str, Any], api_key: str | None, timeout_s: float) -> ChatCompletion:
    with _client(endpoint, api_key, timeout_s) as client:
        try:
            # A plain post sends the body as it is; `create` would rewrite it.
            return client.post("/chat/completions", body=request, cast_to=ChatCompletion)
        except openai.APIError as error:
            raise SetupError(f"the server at {endpoint} failed a request before the run: {error}.") from None
