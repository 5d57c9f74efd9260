"""A simulated server's answers, and the JSON that carries them whole or in a stream."""

import json
from collections.abc import Mapping

_PIECES = 4  # of a streamed answer
_FALLBACK = '{"category":"","brand":"","is_secondhand":false}'


class Answers:
    """Right and wrong answers by a body's hash, and the bytes that carry them."""

    def __init__(self, model_name: str, texts: Mapping[int, tuple[str, str]] | None = None) -> None:
        """Prepare the answers.

        Args:
            model_name: As the server names its model.
            texts: For the hash of each known body a right and a wrong answer.
        """
        self.model_name = model_name
        self._texts = texts or {}

    def text(self, key: int, right: bool) -> str:
        """Return the answer to the body with this hash."""
        known = self._texts.get(key)
        return _FALLBACK if known is None else known[0 if right else 1]

    @property
    def known(self) -> int:
        """How many bodies have answers of their own."""
        return len(self._texts)

    def completion(self, text: str | None, *, usage: bool = True) -> bytes:
        """Make the JSON of a chat completion."""
        body: dict[str, object] = {
            "id": "chatcmpl-simulated",
            "object": "chat.completion",
            "created": 0,
            "model": self.model_name,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            ],
        }
        if usage:
            body["usage"] = _usage(text)
        return json.dumps(body, ensure_ascii=False).encode()

    def events(self, text: str | None, *, usage: bool = True) -> list[bytes]:
        """Make the events of a streamed chat completion, the content in several pieces."""
        step = max(1, -(-len(text or "") // _PIECES))
        pieces: list[str | None] = [(text or "")[at : at + step] for at in range(0, len(text or ""), step)]
        events = [self._event([{"index": 0, "delta": {"content": piece}}]) for piece in pieces or [text]]
        if usage:
            events.append(self._event([], usage=_usage(text)))
        return [*events, b"data: [DONE]\n\n"]

    def _event(self, choices: list[dict[str, object]], **more: object) -> bytes:
        chunk = {"id": "chatcmpl-simulated", "object": "chat.completion.chunk", "created": 0}
        chunk |= {"model": self.model_name, "choices": choices, **more}
        return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def tokens_of(text: str | None) -> int:
    """Count an answer's tokens, roughly; a prompt counts as one."""
    return max(1, len(text or "") // 4)


def _usage(text: str | None) -> dict[str, int]:
    tokens = tokens_of(text)
    return {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
