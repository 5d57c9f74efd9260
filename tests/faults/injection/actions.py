"""What a faulty server does to one request, drawn from a seed, and what must become of it."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

HANG_S = 3600.0


class Fate(Enum):
    """What must become of a request."""

    OK = "ok"
    FAILED = "failed"
    EITHER = "either"  # the client may use a connection in the moment in which the server closes it


class End(Enum):
    """What happens to the connection after the bytes."""

    OPEN = "open"
    CLOSE = "close"
    RESET = "reset"


Step = bytes | float | End
"""Bytes are sent, numbers are seconds to wait, an End ends the connection."""


@dataclass(frozen=True)
class Answer:
    """The right answer to a request: a chat message, or streamed token ids.

    Attributes:
        token_ids: The ids, each an event of its own; None: the answer is a message.
    """

    text: str
    prompt_tokens: int
    request_id: str | None
    token_ids: tuple[int, ...] | None = None

    def body(self, **changes: object) -> bytes:
        """Return the body of the answer; `changes` replace parts of it: text, finish, model, id, usage."""
        if self.token_ids is not None:
            return self._events(self.token_ids, changes)
        text = changes.get("text", self.text)
        tokens = max(1, len(self.text) // 4)
        usage = {"prompt_tokens": self.prompt_tokens, "completion_tokens": tokens}
        content: dict[str, object] = {
            "id": changes.get("id", f"chatcmpl-{self.request_id or 'own'}"),
            "object": "chat.completion",
            "created": 0,
            "model": changes.get("model", "tiny"),
            "choices": [
                {
                    "index": 0,
                    "finish_reason": changes.get("finish", "stop"),
                    "message": {"role": "assistant", "content": text},
                }
            ],
        }
        if changes.get("usage", True) is not None:
            more = changes.get("usage")
            content["usage"] = usage | (dict(more) if isinstance(more, Mapping) else {})
        return json.dumps(content, ensure_ascii=False).encode()

    def _events(self, token_ids: Sequence[int], changes: Mapping[str, object]) -> bytes:
        """Return the events of a stream; where another text is wanted, the ids are as wrong as that."""
        wrong = {"text": changes["text"], "token_ids": changes["text"] or []} if "text" in changes else {}
        said = {
            "id": changes.get("id", f"cmpl-{self.request_id or 'own'}"),
            "model": changes.get("model", "tiny"),
        }
        choices: list[dict[str, object]] = [
            {"index": 0, "text": "a", "finish_reason": None, "prompt_token_ids": None, "token_ids": [each]}
            | wrong
            for each in token_ids
        ]
        choices[0]["prompt_token_ids"] = list(range(self.prompt_tokens))
        choices[-1]["finish_reason"] = changes.get("finish", "stop")
        events = [said | {"choices": [choice], "usage": None} for choice in choices]
        if (more := changes.get("usage", True)) is not None:
            usage = {"prompt_tokens": self.prompt_tokens, "completion_tokens": len(token_ids)}
            usage |= dict(more) if isinstance(more, Mapping) else {}
            events.append(said | {"choices": [], "usage": usage})
        lines = [json.dumps(event, separators=(",", ":")) for event in events]
        return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


def http(body: bytes, status: int = 200, length: int | None = None, *headers: str) -> bytes:
    """Return a whole response; `length` is a wrong Content-Length."""
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _chunked(body: bytes, pieces: int = 3) -> bytes:
    step = -(-len(body) // pieces)
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@dataclass(frozen=True)
class Action:
    """What the server does.

    Attributes:
        name: For the log.
        fate: What must become of the request.
        steps: What is done.
        cut: Whether the answer says that a limit of its length ended it, though there is none.
        stale: Whether bytes may follow that belong to no request.
    """

    name: str
    fate: Fate
    steps: tuple[Step, ...]
    cut: bool = False
    stale: bool = False


_STATUS = (400, 401, 404, 408, 413, 422, 429, 500, 502, 503, 504)
_USAGE: tuple[object, ...] = (0, -5, 1 << 40, -(1 << 63), 10**30, None, "many", [], True)
GOOD = ("plain", "slow", "dribble", "chunked", "interim", "until close", "announced close", "late close")
BAD = (
    *(f"status {status}" for status in _STATUS),
    "reset",
    "close",
    "reset in head",
    "close in head",
    "reset in body",
    "close in body",
    "longer length",
    "shorter length",
    "two lengths",
    "garbage",
    "garbage chunk",
    "cut chunks",
    "cut json",
    "not json",
    "list",
    "deep json",
    "no choices",
    "null",
    "number",
    "empty",
    "blank",
    "no usage",
    *(f"tokens {value}" for value in _USAGE),
    "other model",
    "other id",
    "hang",
    "hang in body",
    "nothing but 100",
)
ODD = ("twice", "finish length")


def act(name: str, answer: Answer, draw: random.Random) -> Action:
    """Return the action of this name."""
    right = answer.body()
    whole = http(right)
    ok, failed = Fate.OK, Fate.FAILED
    # A stream that lacks no more than the line's end is whole.
    cut = draw.randrange(1 if answer.token_ids is None else 3, len(right))
    in_head = whole[: draw.randrange(1, whole.index(b"\r\n\r\n"))]
    wait_s = draw.random() * 0.05
    if name.startswith("status "):
        status = int(name.split()[1])
        return Action(name, failed, (http(b'{"error":{"message":"simulated"}}', status),))
    if name.startswith("tokens "):
        value = next(each for each in _USAGE if f"tokens {each}" == name)
        return Action(name, failed, (http(answer.body(usage={"completion_tokens": value})),))
    steps: dict[str, tuple[Fate, tuple[Step, ...]]] = {
        "plain": (ok, (whole,)),
        "slow": (ok, (wait_s, whole)),
        "dribble": (ok, tuple(_dribble(whole, draw))),
        "chunked": (ok, (_chunked(right),)),
        "interim": (
            ok,
            (b"HTTP/1.1 100 Continue\r\n\r\n", wait_s, b"HTTP/1.1 103 Early Hints\r\n\r\n" + whole),
        ),
        "until close": (ok, (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + right, End.CLOSE)),
        "announced close": (ok, (http(right, 200, None, "Connection: close"), End.CLOSE)),
        "late close": (ok, (whole, wait_s, End.CLOSE)),
        "reset": (failed, (wait_s, End.RESET)),
        "close": (failed, (wait_s, End.CLOSE)),
        "reset in head": (failed, (in_head, End.RESET)),
        "close in head": (failed, (in_head, End.CLOSE)),
        "reset in body": (failed, (http(right)[:-cut], wait_s, End.RESET)),
        "close in body": (failed, (http(right)[:-cut], wait_s, End.CLOSE)),
        "longer length": (failed, (http(right, length=len(right) + 7), End.CLOSE)),
        "shorter length": (failed, (http(right, length=len(right) - cut), End.CLOSE)),
        "two lengths": (failed, (http(right, 200, None, f"Content-Length: {cut}"), End.CLOSE)),
        "garbage": (failed, (draw.randbytes(200), End.CLOSE)),
        "garbage chunk": (failed, (_chunked(right).replace(b"\r\n\r\n", b"\r\n\r\nZZ", 1), End.CLOSE)),
        "cut chunks": (failed, (_chunked(right)[:-5], End.CLOSE)),
        "cut json": (failed, (http(right[:-cut]),)),
        "not json": (failed, (http(b"<html>Bad gateway</html>"),)),
        "list": (failed, (http(b"[" + right + b"]"),)),
        "deep json": (failed, (http(b"[" * 5000 + b"]" * 5000),)),
        "no choices": (failed, (http(b'{"choices": [], "usage": {"completion_tokens": 3}}'),)),
        "null": (failed, (http(answer.body(text=None)),)),
        "number": (failed, (http(answer.body(text=7)),)),
        "empty": (failed, (http(answer.body(text="")),)),
        "blank": (failed, (http(answer.body(text=" \n\t ")),)),
        "no usage": (failed, (http(answer.body(usage=None)),)),
        "other model": (failed, (http(answer.body(model="another/model")),)),
        "other id": (failed, (http(answer.body(id="chatcmpl-" + _other(answer.request_id))),)),
        "hang": (failed, (HANG_S,)),
        "hang in body": (failed, (http(right)[:-cut], HANG_S)),
        "nothing but 100": (failed, (b"HTTP/1.1 100 Continue\r\n\r\n", wait_s, End.CLOSE)),
        # The second answer may come with the first: then the client may take neither.
        "twice": (Fate.EITHER, (whole, wait_s if draw.random() < 0.7 else 0.0, whole)),
        "finish length": (ok, (http(answer.body(finish="length")),)),
    }
    fate, parts = steps[name]
    return Action(name, fate, parts, cut=name == "finish length", stale=name == "twice")


def _other(request_id: str | None) -> str:
    """Return the id of another request of the same run, in which the last digit is another."""
    if request_id is None:
        return "own"
    at = max(at for at, each in enumerate(request_id) if each in "0123456789abcdef")
    return f"{request_id[:at]}{int(request_id[at], 16) ^ 1:x}{request_id[at + 1 :]}"


def _dribble(whole: bytes, draw: random.Random) -> list[Step]:
    cuts = sorted(draw.sample(range(1, len(whole)), 6))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return [step for piece in pieces for step in (piece, 0.001)]


@dataclass(frozen=True)
class Schedule:
    """What the server does to each sample: the same seed, the same faults.

    Attributes:
        faults: Share of requests that are answered wrongly; 0: none.
        names: What may happen to these.
    """

    seed: int
    faults: float = 0.1
    names: tuple[str, ...] = (*BAD, *ODD)
    good: tuple[str, ...] = GOOD

    def action(self, sample: int, answer: Answer) -> Action:
        """Return what happens to the request of a sample."""
        draw = random.Random(self.seed * 1_000_003 + sample)
        bad = draw.random() < self.faults
        # A hang costs a time-out each, so it is drawn less often.
        name = draw.choice(self.names if bad else self.good)
        if name.startswith("hang") and draw.random() < 0.5:
            name = "reset"
        return act(name, answer, draw)
