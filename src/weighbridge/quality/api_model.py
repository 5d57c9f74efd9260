"""Our model classes of lm-evaluation-harness: its own API models, with latencies, counts and strict errors.

Prompts, bodies and the reading of log-probabilities are the harness's. Ours is how a body is sent: to any of
several endpoints, each attempt timed and counted, and what cannot succeed is not tried again.
"""

import asyncio
import copy
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from lm_eval.api.filter import Filter
from lm_eval.api.registry import register_filter, register_model
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from weighbridge.config.quality_settings import MmluSettings
from weighbridge.core.errors import SetupError
from weighbridge.core.openai_api import Api
from weighbridge.quality.answer_letter import REASONING_ENDS, letter_of
from weighbridge.quality.asked_requests import AnsweredRequest, AskedRequests, OpenRequests, usage_of
from weighbridge.quality.harness_tasks import LETTER_FILTER, NO_LETTER
from weighbridge.quality.refused_request import Asking, failed, is_refusal, not_echoed, refused
from weighbridge.serving.direct_client import certificates

_OK = 200
# The harness sends in parallel only if it is told of more than one request at once; ours always does.
_PARALLEL = 2
_NEVER_TRUNCATED = sys.maxsize


@dataclass(frozen=True)
class AskedModel:
    """The served model, and how it is asked.

    Attributes:
        model_name: The name it is served by.
        tokenizer: Folder of its tokenizer; None: the protocol needs none.
        settings: The protocol, and how requests are sent.
        asking: The key, and what errors of requests name.
    """

    model_name: str
    tokenizer: Path | None
    settings: MmluSettings
    asking: Asking


class _AttemptFailedError(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, endpoint: str, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.endpoint, self.kind, self.detail = endpoint, kind, detail


class _Sender:
    """How requests are sent: mixed into both of the harness's classes, before them."""

    served: AskedModel
    _api: Api
    _asked: AskedRequests
    _open: OpenRequests

    def use(self, endpoints: tuple[str, ...]) -> None:
        """Send to these base URLs, which share the requests."""
        self._open = OpenRequests(endpoints)

    def begin(self, asked: AskedRequests) -> None:
        """Count in `asked` what is sent from now on."""
        self._asked = asked

    @property
    def header(self) -> dict[str, str]:
        """The headers of requests; the harness would send the key of OPENAI_API_KEY, or an empty one."""
        key = self.served.asking.api_key
        return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    async def get_batched_requests(
        self,
        requests: Sequence[Any],
        cache_keys: Sequence[Any],
        *,
        generate: bool = True,
        ctxlens: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> list[list[Any]]:
        """Send requests, a task each, and return their answers in order; the first failure ends all.

        Raises:
            SetupError: a request is refused, or failed as often as it may.
        """
        settings = self.served.settings
        connector = TCPConnector(limit=0, ssl=certificates())
        at_once = asyncio.Semaphore(settings.concurrency)
        # The harness's own number of attempts and waits between them.
        attempts = retry(
            stop=stop_after_attempt(settings.retries),
            wait=wait_exponential(multiplier=0.5, min=1, max=10),
            retry=retry_if_exception_type(_AttemptFailedError),
            reraise=True,
            before_sleep=self._count_retry,
        )(self.amodel_call)
        async with ClientSession(
            connector=connector, timeout=ClientTimeout(total=settings.timeout_s), trust_env=False
        ) as session:
            tasks = [
                asyncio.create_task(attempts(session, at_once, [request], generate, key, [length], **kwargs))
                for request, key, length in zip(
                    requests, cache_keys, ctxlens or [0] * len(requests), strict=True
                )
            ]
            try:
                return list(await asyncio.gather(*tasks))
            except _AttemptFailedError as error:
                raise SetupError(
                    failed(error.endpoint, settings.retries, error.kind, error.detail, self.served.asking)
                ) from None
            finally:
                for task in tasks:
                    task.cancel()

    async def amodel_call(
        self,
        session: ClientSession,
        at_once: asyncio.Semaphore,
        messages: list[Any],
        generate: bool,
        key: Any,
        ctxlens: list[int],
        gen_kwargs: dict[str, Any] | None = None,
    ) -> list[Any]:
        """Attempt a request once, and return its answer as the harness reads it.

        Raises:
            SetupError: the server refuses it, or does not echo.
        """
        async with at_once:
            sent = self._body(messages, generate, gen_kwargs)
            with self._open.next() as endpoint:
                began_ns = perf_counter_ns()
                try:
                    status, body = await self._post(session, endpoint, sent)
                    latency_ns = perf_counter_ns() - began_ns
                    if status != _OK:
                        if is_refusal(status):
                            raise SetupError(refused(endpoint, status, body, self.served.asking))
                        raise _AttemptFailedError(endpoint, str(status), body)
                    answer, found = self._read(endpoint, body, messages, generate, ctxlens)
                except _AttemptFailedError as error:
                    self._asked.failed_attempts[error.kind] += 1
                    raise
        self._asked.add(_key_of(key), AnsweredRequest(latency_ns, *usage_of(answer)))
        return found

    def _body(self, messages: list[Any], generate: bool, gen_kwargs: dict[str, Any] | None) -> bytes:
        payload = self._create_payload(  # type: ignore[attr-defined]
            self.create_message(messages),  # type: ignore[attr-defined]
            generate=generate,
            gen_kwargs=copy.deepcopy(gen_kwargs),
            seed=self._seed,  # type: ignore[attr-defined]
        )
        return json.dumps(payload).encode()

    async def _post(self, session: ClientSession, endpoint: str, sent: bytes) -> tuple[int, str]:
        url = f"{endpoint.removesuffix('/').removesuffix('/v1')}{self._api.path}"
        try:
            # Another place that an endpoint names must not get the key.
            async with session.post(url, data=sent, headers=self.header, allow_redirects=False) as response:
                return response.status, await response.text(errors="replace")
        except TimeoutError:
            after = f"no answer within {self.served.settings.timeout_s:g} s"
            raise _AttemptFailedError(endpoint, "timeout", after) from None
        except (ClientError, OSError) as error:
            raise _AttemptFailedError(endpoint, "connection", str(error)) from None

    def _read(
        self, endpoint: str, body: str, messages: list[Any], generate: bool, ctxlens: list[int]
    ) -> tuple[Mapping[str, Any], list[Any]]:
        """Return an answer, and what the harness reads in it.

        Raises:
            SetupError: the log-probabilities of the prompt are missing.
        """
        try:
            answer = json.loads(body)
            if generate:
                [text] = [choice["message"]["content"] for choice in answer["choices"]]
                if not isinstance(text, str | None):
                    raise TypeError("the content is no text")
                # A text that ends before the reasoning does is null; it has no letter.
                return answer, ["" if text is None else text.rpartition(REASONING_ENDS)[2]]
            [choice] = answer["choices"]
            _check_echo(endpoint, choice, len(messages[0]))
            found = self.parse_logprobs(outputs=answer, tokens=messages, ctxlens=ctxlens)  # type: ignore[attr-defined]
            if not all(isfinite(log_probability) for log_probability, _ in found):
                raise ValueError("a log-probability is not finite")
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise _AttemptFailedError(endpoint, "malformed", f"{error}: {body}") from None
        return answer, list(found)

    def _count_retry(self, _state: RetryCallState) -> None:
        self._asked.retries += 1


def _check_echo(endpoint: str, choice: Mapping[str, Any], prompt_tokens: int) -> None:
    """Check that there is a log-probability for each token of the prompt, and for the one after it.

    The harness would sum up whatever stands at the letter's place.
    """
    wanted, reported = prompt_tokens + 1, (choice.get("logprobs") or {}).get("token_logprobs")
    found = len(reported) if isinstance(reported, list) else None
    if found != wanted:
        raise SetupError(not_echoed(endpoint, wanted, found))


def _key_of(cache_key: Any) -> object:
    """Return what a request is known by: prompt and letter, or the chat's messages."""
    first, second = cache_key
    return cache_key if isinstance(second, str) else first.prompt


@register_model("weighbridge-completions")
class WeighbridgeCompletions(_Sender, LocalCompletionsAPI):  # type: ignore[misc]
    """Log-likelihoods by /v1/completions."""

    _api = Api.COMPLETIONS

    def __init__(self, served: AskedModel) -> None:
        """Read the tokenizer; whatever transformers raises where it cannot be read passes."""
        self.served = served
        super().__init__(
            model=served.model_name,
            tokenizer=str(served.tokenizer),
            tokenizer_backend="huggingface",
            tokenized_requests=True,
            add_bos_token=served.settings.bos,
            num_concurrent=_PARALLEL,
            max_length=_NEVER_TRUNCATED,
        )
        # Else transformers warns of long prompts; they are compared with the context of the server.
        self.tokenizer.model_max_length = _NEVER_TRUNCATED
        # Four letters follow the same text, which the harness encodes anew for each of them.
        self.tok_encode = lru_cache(maxsize=2)(super().tok_encode)

    def loglikelihood(self, requests: Any, disable_tqdm: bool = True) -> Any:
        """Ask as the harness does, without a bar."""
        return super().loglikelihood(requests, disable_tqdm=disable_tqdm)


@register_model("weighbridge-chat-completions")
class WeighbridgeChatCompletions(_Sender, LocalChatCompletion):  # type: ignore[misc]
    """Texts by /v1/chat/completions."""

    _api = Api.CHAT

    def __init__(self, served: AskedModel) -> None:
        """Prepare to ask."""
        self.served = served
        super().__init__(
            model=served.model_name,
            tokenizer_backend=None,
            tokenized_requests=False,
            num_concurrent=_PARALLEL,
            max_length=_NEVER_TRUNCATED,
        )

    def _create_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # Some servers refuse an empty list of texts to stop at.
        payload: dict[str, Any] = super()._create_payload(*args, **kwargs)
        return {name: value for name, value in payload.items() if name != "stop" or value}


@register_filter(LETTER_FILTER)
class LetterFilter(Filter):  # type: ignore[misc]
    """Read the letters of texts by our rules."""

    def apply(self, resps: Sequence[Sequence[str]], _docs: Sequence[object]) -> list[list[str]]:
        """Return the letter of each text, or what stands for none."""
        return [[letter_of(text) or NO_LETTER for text in texts] for texts in resps]
