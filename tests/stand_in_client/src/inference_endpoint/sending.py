"""One request after the other on a connection of each thread, and what came back."""

import http.client
import json
import threading
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Answer:
    """What a server sent back, or why it did not."""

    parts: list[str]
    finish: str = ""
    first_ns: int = 0
    end_ns: int = 0
    error: tuple[str, str] | None = None


class Sender:
    """Sends bodies to endpoints in turn."""

    def __init__(self, endpoints: list[str], key: str | None) -> None:
        self._hosts = [urlsplit(url) for url in endpoints]
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._mine = threading.local()

    def send(self, number: int, body: bytes, *, stream: bool) -> Answer:
        """Send a body; never raises."""
        url = self._hosts[number % len(self._hosts)]
        connections = self._mine.__dict__.setdefault("connections", {})
        answer = Answer([])
        try:
            connection = connections.get(url.netloc)
            if connection is None:
                connection = connections[url.netloc] = http.client.HTTPConnection(url.netloc)
            connection.request("POST", f"{url.path.rstrip('/')}/v1/chat/completions", body, self._headers)
            response = connection.getresponse()
            if response.status != 200:
                text = response.read().decode(errors="replace")[:200]
                answer.error = ("error", f"HTTP {response.status}: {text}")
            elif stream:
                _read_events(response, answer)
            else:
                choice = json.loads(response.read())["choices"][0]
                answer.parts, answer.finish = [choice["message"]["content"]], choice["finish_reason"]
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            connections.pop(url.netloc, None)
            answer.error = (type(error).__name__, repr(error))
        answer.end_ns = monotonic_ns()
        return answer


def _read_events(response: http.client.HTTPResponse, answer: Answer) -> None:
    for line in response:
        text = line.decode().strip()
        if not text.startswith("data:") or text.endswith("[DONE]"):
            continue
        for choice in json.loads(text[5:]).get("choices", ()):
            part: Any = (choice.get("delta") or {}).get("content")
            if part:
                answer.first_ns = answer.first_ns or monotonic_ns()
                answer.parts.append(part)
            answer.finish = choice.get("finish_reason") or answer.finish


def body_of(row: dict[str, str], params: dict[str, Any], *, stream: bool) -> bytes:
    """Return the request of a row: a short system message, the product's text and its picture."""
    text = (
        f"Title: {row['product_title']}\nDescription: {row['product_description']}\n"
        f"Categories: {row['potential_product_categories']}"
    )
    picture = f"data:image/{row['product_image_format']};base64,{row['product_image_base64']}"
    messages = [
        {"role": "system", "content": "Name category, brand and is_secondhand of the product, as JSON."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": text},
                {"type": "image_url", "image_url": {"url": picture}},
            ],
        },
    ]
    body = {"model": params["name"], "messages": messages}
    if stream:
        body["stream"] = True
    if "max_new_tokens" in params:
        body["max_completion_tokens"] = params["max_new_tokens"]
    return json.dumps(body).encode()
