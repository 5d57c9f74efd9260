"""A golden answer: one known request, and the text that the right server answers to it."""

import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from openai.types import Completion
from openai.types.chat import ChatCompletion
from pydantic import Field

from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.models import Model
from weighbridge.core.openai_api import Api
from weighbridge.serving.probing import post, unstreamed


class Golden(Model):
    """A request and the answer recorded for it."""

    sample: int = Field(ge=0, description="Number of the request in its store.")
    temperature: float = Field(ge=0, description="Temperature at which it was asked.")
    answer: str = Field(description="Text of the answer.")
    request_sha256: str | None = Field(
        default=None, description="Of the stored request; null: recorded before requests were compared."
    )

    def check_request(self, body: bytes, golden: Path) -> None:
        """Check that a stored request is the one whose answer was recorded.

        Raises:
            InputError: it is another one, to which another answer may be right.
        """
        if self.request_sha256 not in (None, sha256(body).hexdigest()):
            raise InputError(
                f"{golden}: was recorded for another request than sample {self.sample} of this store; the "
                "dataset, prompt, model name or section 'requests' has changed: record it anew, or set "
                "server.golden to null."
            )


def check_golden(
    endpoint: str, golden: Path, api: Api, body: bytes, api_key: str | None, timeout_s: float
) -> None:
    """Send the known request and compare the answer with the recorded one, character by character.

    A build can be healthy and wrong (vLLM 0.12's CPU rms_norm ignored strides); this check notices it.

    Args:
        endpoint: Where to send it.
        golden: File with the sample, the temperature and the answer.
        api: Where to post it, and how to read the answer.
        body: The stored request of that sample.
        api_key: Key to send, if any.
        timeout_s: How long to wait for the answer.

    Raises:
        InputError: the answer was recorded for another request.
        SetupError: the server gives another answer, or none.
    """
    known = Golden.read(golden)
    known.check_request(body, golden)
    answer = answer_at(known.temperature, endpoint, api, body, api_key, timeout_s)
    if answer != known.answer:
        raise SetupError(
            f"the server answers the known request wrongly: {answer!r} instead of {known.answer!r} "
            f"({golden}); its build or its arguments change the model's output, so nothing was measured."
        )


def answer_at(
    temperature: float, endpoint: str, api: Api, body: bytes, api_key: str | None, timeout_s: float
) -> str | None:
    """Return the text that a stored request is answered with at a temperature; None where it has none.

    Raises:
        SetupError: the request failed.
    """
    request = unstreamed(json.loads(body) | {"temperature": temperature})
    return _text_of(post(endpoint, api, request, api_key, timeout_s))


def _text_of(answer: ChatCompletion | Completion | str) -> str | None:
    """Return the text of an answer; None where it has none."""
    with suppress(AttributeError, IndexError, TypeError):  # a completion without choices
        if isinstance(answer, ChatCompletion):
            return answer.choices[0].message.content
        if isinstance(answer, Completion):
            return answer.choices[0].text
    return None
