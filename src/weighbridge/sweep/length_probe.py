"""Ask a system once for a forced number of tokens, to see what it makes of it before anything is measured."""

from dataclasses import dataclass
from enum import StrEnum

from weighbridge.config.workload import ForceLength, Workload
from weighbridge.core.errors import SetupError
from weighbridge.core.openai_api import Api
from weighbridge.serving.plain_request import PlainAnswer, ask
from weighbridge.sweep.systems import OpenSystem

PROBED_TOKENS = 48
_UNKNOWN_FIELD = (400, 422)
# One word: its prompt's other tokens are those that all prompts of a chat begin with.
_PROMPT = "Hi"


class LengthAnswer(StrEnum):
    """What a server makes of a forced length."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(frozen=True)
class ProbedSystem:
    """What a first request showed.

    Attributes:
        lengths: What the server makes of a forced length; None: none was forced.
        prompt_tokens: Of the request's one word and all around it; None: not reported.
    """

    lengths: LengthAnswer | None
    prompt_tokens: int | None


def probe_length(system: OpenSystem, workload: Workload) -> ProbedSystem:
    """Send one request that forces its length, if the workload does.

    A server that refuses it is asked once more without forcing, since the request itself may be the reason.

    Raises:
        SetupError: the server fails a request that forces nothing.
    """
    answer = _ask(system, workload, workload.force_length)
    if workload.force_length is ForceLength.NONE:
        return ProbedSystem(None, _tokens(_good(system, answer), "prompt_tokens"))
    if answer.ok:
        honoured = _tokens(answer, "completion_tokens") == PROBED_TOKENS
        lengths = LengthAnswer.HONOURED if honoured else LengthAnswer.IGNORED
        return ProbedSystem(lengths, _tokens(answer, "prompt_tokens"))
    plain = _good(system, _ask(system, workload, ForceLength.NONE))
    if answer.status not in _UNKNOWN_FIELD:
        _good(system, answer)
    return ProbedSystem(LengthAnswer.REJECTED, _tokens(plain, "prompt_tokens"))


def _good(system: OpenSystem, answer: PlainAnswer) -> PlainAnswer:
    if not answer.ok:
        raise SetupError(
            f"system {system.name}: a first request failed ({answer.reason}); correct the server."
        )
    return answer


def _tokens(answer: PlainAnswer, name: str) -> int | None:
    usage = answer.json().get("usage")
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) else None


def _ask(system: OpenSystem, workload: Workload, force: ForceLength) -> PlainAnswer:
    body: dict[str, object] = {
        "model": system.model_name,
        "max_tokens": PROBED_TOKENS,
        "temperature": 0,
        "stream": False,
    }
    chat = workload.api is Api.CHAT
    body |= {"messages": [{"role": "user", "content": _PROMPT}]} if chat else {"prompt": _PROMPT}
    body |= force.fields(PROBED_TOKENS)
    endpoint = system.running.endpoints[0]
    return ask(endpoint, workload.api.path, system.api_key, system.client.request_timeout_s, body)
