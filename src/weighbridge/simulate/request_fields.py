"""What the simulated server reads of a request's body: by searching, never by parsing the JSON."""

import re
import zlib
from typing import NamedTuple

_EDGE_BYTES = 512  # the fields are before or after the prompt, so near an end of the body
STREAM = re.compile(rb'"stream":\s*true')
TOKEN_IDS = re.compile(rb'"return_token_ids":\s*true')
_MOST_TOKENS = re.compile(rb'"max_tokens":\s*(\d+)')
_PROMPT_IDS = re.compile(rb'"prompt":\s*(\[[\d,\s]+\])')


class RequestFields(NamedTuple):
    """The fields that decide an answer's form.

    Attributes:
        stream: Whether the answer is streamed.
        token_ids: Whether it is asked for with its token ids.
        most_tokens: The most tokens of an answer with token ids; 0: no limit. Where a server makes answers
            of any length: the tokens that are asked for.
        prompt_ids: The prompt's token ids in JSON; empty: the prompt is a text, or ids are not asked for.
        prompt_tokens: The number of the prompt's tokens; of a text, a number that stands for it.
        refusal: Why the server rejects it, with status 400; empty: it does not.
        prompt: The prompt's text, where the answer depends on it.
        logprobs: For how many of the likeliest tokens log-probabilities are asked; None: for none.
        echo: Whether the answer is to begin with the prompt.
    """

    stream: bool
    token_ids: bool
    most_tokens: int
    prompt_ids: bytes
    prompt_tokens: int
    refusal: str = ""
    prompt: str = ""
    logprobs: int | None = None
    echo: bool = False

    @classmethod
    def of(cls, body: bytes) -> "RequestFields":
        """Read the fields of a body."""
        edges = edges_of(body)
        stream = STREAM.search(edges) is not None
        if TOKEN_IDS.search(edges) is None:
            return cls(stream, False, 0, b"", prompt_tokens_of(body))
        most, ids = _MOST_TOKENS.search(edges), _PROMPT_IDS.search(body)
        return cls(
            stream,
            True,
            0 if most is None else int(most[1]),
            b"" if ids is None else ids[1],
            prompt_tokens_of(body) if ids is None else 1 + ids[1].count(b","),
        )


def edges_of(body: bytes) -> bytes:
    """Return the two ends of a body, in which its fields other than the prompt are."""
    return body if len(body) <= 2 * _EDGE_BYTES else body[:_EDGE_BYTES] + b"\n" + body[-_EDGE_BYTES:]


def prompt_tokens_of(body: bytes) -> int:
    """Return a number that stands for the tokens of a body's prompt, at least 1.

    The same body always has the same number, and two bodies rarely have one in common: an answer that
    reaches another request shows by it. Of a large body only about 2,000 bytes are looked at.
    """
    step = max(1, len(body) >> 10)
    looked_at = zlib.crc32(body[::step], zlib.crc32(body[:1024]))
    return 1 + len(body) // 256 + looked_at % 1024
