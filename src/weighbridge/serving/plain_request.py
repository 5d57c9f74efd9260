"""Single requests to a server outside the measured time, whose failures are results and no errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib import request
from urllib.error import HTTPError

from weighbridge.core.secrets import mask
from weighbridge.serving.direct_client import certificates

_LONGEST_REASON = 300


@dataclass(frozen=True)
class PlainAnswer:
    """What a server answered.

    Attributes:
        status: The HTTP status; 0: there was no answer.
        text: The body, or why there was no answer.
    """

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Return the JSON object that the body holds; empty where it holds none."""
        try:
            found = json.loads(self.text)
        except json.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def reason(self) -> str:
        """What it says, for a sentence."""
        shown = " ".join(self.text.split())[:_LONGEST_REASON].rstrip(".")
        return f"HTTP {self.status}: {shown}" if self.status else shown


def ask(
    endpoint: str,
    path: str,
    api_key: str | None,
    timeout_s: float,
    body: Mapping[str, object] | None = None,
) -> PlainAnswer:
    """Post to a path of a server, directly, whatever proxy the environment names.

    Args:
        endpoint: Base URL, with or without /v1.
        path: Such as /v1/chat/completions.
        api_key: Key to send, if any.
        timeout_s: How long to wait.
        body: Sent as JSON; None: nothing.
    """
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    base = endpoint.removesuffix("/").removesuffix("/v1")
    data = b"" if body is None else json.dumps(body).encode()
    posted = request.Request(f"{base}{path}", data, headers, method="POST")  # noqa: S310 as configured
    opener = request.build_opener(request.ProxyHandler({}), request.HTTPSHandler(context=certificates()))
    try:
        with opener.open(posted, timeout=timeout_s) as answer:
            return PlainAnswer(answer.status, mask(_text(answer.read()), [api_key]))
    except HTTPError as error:
        with error:
            return PlainAnswer(error.code, mask(_text(error.read()), [api_key]))
    except (OSError, HTTPException) as error:
        return PlainAnswer(0, mask(str(error) or type(error).__name__, [api_key]))


def _text(body: bytes) -> str:
    return body.decode(errors="replace")
