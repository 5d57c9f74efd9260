"""The outcome of an answer: its text or token ids and its counts, or the reason why it is a failure.

An answer counts only if it is from the model that was asked for, is no other request's, has text, and says
how many tokens that text is. Where token ids are asked for, it has as many ids as it says tokens.
"""

from array import array
from collections.abc import Sequence

import msgspec

from weighbridge.client.answer_forms import DetailedUsage, Usage
from weighbridge.client.frames import FinishReason, RequestOutcome

EVIDENCE_BYTES = 2048  # kept of a failed request's response, for errors.jsonl
# What decoding and encoding raise: no JSON or of another form, no UTF-8, nested too deep, no choice.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError, IndexError)

_NAME_CHARACTERS = 200  # of a model or an id, in the evidence of a failure
_MOST_TOKENS = (1 << 31) - 1  # of a RECORD's signed 32-bit field
# Python 3.11 looks a member of an Enum up in 1,500 instructions; once for all is enough.
_OK, _OTHER = RequestOutcome.OK, FinishReason.OTHER
_FINISHES = {None: FinishReason.NOT_TOLD, "stop": FinishReason.STOP, "length": FinishReason.LENGTH}


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A request's outcome. `text` is the answer in its bytes (AnswerKind), or the evidence of a failure.

    The other fields are those of `Record`; a failure has them at their defaults.
    """

    outcome: RequestOutcome
    text: bytes
    tokens: int = 0
    prompt_tokens: int = 0
    finish: FinishReason = FinishReason.NOT_TOLD
    id_echoed: int = 0
    chunks: int = 0
    cached_tokens: int = -1


class ExpectedAnswer:
    """What every answer of a run must say: the model that was asked for, and no other request's id."""

    __slots__ = ("_nonce", "model")

    def __init__(self, model: str, nonce: str) -> None:
        """Take the name that the requests ask for, and what the ids of this run's requests start with."""
        self.model, self._nonce = model, nonce

    def echoed(self, answer_id: str | None, number: int) -> int:
        """Return 1 if an answer's id is that of its request, 0 if it is the server's own, -1 if another's."""
        if answer_id is None or self._nonce not in answer_id:
            return 0
        return 1 if f"{self._nonce}{number}z" in answer_id else -1

    def of_another_model(self, name: str | None, body: bytes) -> Answer:
        """Return the failure of an answer by another model, or by none (OpenAI's API always names it)."""
        by = "names no model" if name is None else f"is by the model {name[:_NAME_CHARACTERS]!r}"
        reason = f"the answer {by}, asked for was {self.model!r}: "
        return Answer(RequestOutcome.OTHER_MODEL, reason.encode(errors="replace") + body)


def unreadable(error: Exception, body: bytes) -> Answer:
    """Return the failure of an answer that cannot be decoded."""
    reason = str(error) if isinstance(error, msgspec.DecodeError | RecursionError) else type(error).__name__
    return Answer(RequestOutcome.MALFORMED, f"{reason}: ".encode() + body)


def of_another_request(answer_id: str | None, body: bytes) -> Answer:
    """Return the failure of an answer whose id is another request's."""
    reason = f"the answer's id {(answer_id or '')[:_NAME_CHARACTERS]!r} is that of another request: "
    return Answer(RequestOutcome.OTHER_REQUEST, reason.encode(errors="replace") + body)


def judge(
    content: str | None, finish: str | None, usage: Usage | None, echoed: int, body: bytes, chunks: int = 1
) -> Answer:
    """Return the answer that says all this, in so many chunks; `body` is the evidence of a failure."""
    if content is None:
        return Answer(RequestOutcome.NULL_CONTENT, body)
    if not content:
        return Answer(RequestOutcome.EMPTY, body)
    if content.isspace():
        return Answer(RequestOutcome.BLANK, body)
    failure = _of_usage(usage, body)
    if failure is not None:
        return failure
    assert usage is not None
    try:
        text = content.encode()
    except UnicodeError as error:  # half of a surrogate pair
        return unreadable(error, body)
    finished = _FINISHES.get(finish, _OTHER)
    return Answer(_OK, text, usage.completion_tokens, usage.prompt_tokens, finished, echoed, chunks)


def _of_usage(usage: Usage | None, body: bytes) -> Answer | None:
    """Return the failure of an answer with these token counts; None: they are possible."""
    if usage is None:
        return Answer(RequestOutcome.MISSING_USAGE, body)
    tokens, prompt_tokens = usage.completion_tokens, usage.prompt_tokens
    if 1 <= tokens <= _MOST_TOKENS and 0 <= prompt_tokens <= _MOST_TOKENS:
        return None
    counts = f"{str(tokens)[:24]} tokens, {str(prompt_tokens)[:24]} of the prompt, are impossible: "
    return Answer(RequestOutcome.IMPOSSIBLE_USAGE, counts.encode() + body)


def judge_tokens(
    ids: Sequence[int] | None,
    finish: str | None,
    usage: Usage | None,
    echoed: int,
    body: bytes,
    chunks: int = 1,
) -> Answer:
    """Return the answer of these token ids, each one that an int32 holds; the rest as for `judge`."""
    if not ids:
        return Answer(RequestOutcome.NO_TOKEN_IDS, b"the server returned no token ids: " + body)
    failure = _of_usage(usage, body)
    if failure is not None:
        return failure
    assert usage is not None
    tokens = usage.completion_tokens
    if len(ids) != tokens:
        counts = f"{len(ids)} token ids, but the usage says {tokens} tokens: "
        return Answer(RequestOutcome.OTHER_TOKEN_COUNT, counts.encode() + body)
    finished = _FINISHES.get(finish, _OTHER)
    return Answer(_OK, packed(ids), tokens, usage.prompt_tokens, finished, echoed, chunks)


def judge_generated(
    content: str | None, finish: str | None, usage: Usage | None, echoed: int, body: bytes, chunks: int
) -> Answer:
    """Return the answer of which only the amount counts; arguments as for `judge`.

    It may be without text, if it has tokens: those of a forced length can be special ones. Without usage it
    has -1 tokens, and must have chunks.
    """
    if usage is None:
        if not chunks:
            return Answer(RequestOutcome.EMPTY, body)
    elif not usage.completion_tokens and not chunks:
        return Answer(RequestOutcome.EMPTY, body)
    else:
        failure = _of_usage(usage, body)
        if failure is not None:
            return failure
    try:
        text = (content or "").encode()
    except UnicodeError as error:
        return unreadable(error, body)
    finished = _FINISHES.get(finish, _OTHER)
    if usage is None:
        return Answer(_OK, text, -1, 0, finished, echoed, chunks)
    cached = usage.cached_tokens if isinstance(usage, DetailedUsage) else -1
    return Answer(_OK, text, usage.completion_tokens, usage.prompt_tokens, finished, echoed, chunks, cached)


def packed(ids: Sequence[int]) -> bytes:
    """Return token ids as int32, in the byte order of the supported machines, which is little-endian."""
    return array("i", ids).tobytes()
