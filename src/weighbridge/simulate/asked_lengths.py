"""Answers of as many tokens as a request asks for, to any request."""

import re

import numpy as np

from weighbridge.core.openai_api import Api
from weighbridge.simulate.behaviour import Behaviour, body_hash, uniform
from weighbridge.simulate.known_answers import KnownBody, SimulatedAnswer
from weighbridge.simulate.prompt_blocks import prompt_tokens, without_model
from weighbridge.simulate.request_fields import STREAM, TOKEN_IDS, RequestFields, edges_of

_MOST = re.compile(rb'"max_(?:completion_)?tokens":\s*(\d+)')
_LEAST = re.compile(rb'"min_tokens":\s*(\d+)')
_IGNORE_EOS = re.compile(rb'"ignore_eos":\s*true')
_DEFAULT_TOKENS = 16  # of a request that asks for no length, as in the completions API
_MOST_TOKENS = 1 << 20  # of an answer, whatever is asked for: 4 MiB
_DIGITS = 3
_NO_FORCED_LENGTH = "ignore_eos and min_tokens are not supported"
_PURPOSE = 7  # of the draw of a length


class AskedLengths:
    """Makes a text for each request, from the hash of its body: as many tokens as the request asks for.

    A token is four bytes long: three hexadecimal digits of the hash and a blank. The model's name is no part
    of the hash, so that two servers with different names answer alike.
    """

    def __init__(self, model_name: str, behaviour: Behaviour) -> None:
        """Prepare to answer as a model of this name; the behaviour decides what becomes of lengths."""
        self.model_name, self.known = model_name, 1
        self._seed, self._lengths = behaviour.seed, behaviour.lengths

    def read(self, body: bytes) -> RequestFields:
        """Read the fields of a body."""
        edges = edges_of(body)
        most, least = _MOST.search(edges), _LEAST.search(edges)
        forced = least is not None or _IGNORE_EOS.search(edges) is not None
        asked = most or least
        return RequestFields(
            stream=STREAM.search(edges) is not None,
            token_ids=TOKEN_IDS.search(edges) is not None,
            most_tokens=_number(asked[1]) if asked else _DEFAULT_TOKENS,
            prompt_ids=b"",
            prompt_tokens=prompt_tokens(body),
            refusal=_NO_FORCED_LENGTH if forced and self._lengths == "rejected" else "",
        )

    def key(self, body: bytes) -> int:
        """Return the hash that decides the answer and the service time."""
        return body_hash(without_model(body))

    def accepts(self, api: Api, body: bytes) -> bool:  # noqa: ARG002 - the protocol's
        """Return True: both kinds of request are answered."""
        return True

    def of(self, key: int, fields: RequestFields) -> KnownBody:
        """Return the answer to the body with this hash and these fields."""
        tokens, cut = self.tokens(key, fields.most_tokens)
        words = f"{key & (1 << 60) - 1:015x}"
        cycle = "".join(f"{words[at : at + _DIGITS]} " for at in range(0, len(words), _DIGITS))
        text = (cycle * (4 * tokens // len(cycle) + 1))[: 4 * tokens]
        ids = np.arange(1, tokens + 1, dtype="<i4").tobytes() if fields.token_ids else None
        answer = SimulatedAnswer(text, ids, cut=cut)
        return KnownBody(-1, answer, answer)

    def tokens(self, key: int, asked: int) -> tuple[int, bool]:
        """Return the number of tokens of an answer, and whether the asked number cut it."""
        if self._lengths != "ignored" or asked < 2:
            return max(1, asked), True
        return 1 + int(uniform(key, self._seed, _PURPOSE) * (asked - 1)), False


def _number(digits: bytes) -> int:
    """Return a number of tokens; Python refuses to read thousands of digits."""
    return min(int(digits), _MOST_TOKENS) if len(digits) < 20 else _MOST_TOKENS
