"""Ask a system once for a forced number of tokens, to see what it makes of it before anything is measured."""

from enum import StrEnum

from weighbridge.config.workload import ForceLength, Workload
from weighbridge.core.errors import SetupError
from weighbridge.core.openai_api import Api
from weighbridge.serving.plain_request import PlainAnswer, ask
from weighbridge.sweep.systems import OpenSystem

PROBED_TOKENS = 48
_UNKNOWN_FIELD = (400, 422)
_PROMPT = "Count from one upwards, one number a line."


class LengthAnswer(StrEnum):
    """What a server makes of a forced length."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    REJECTED = "rejected"


def probe_length(system: OpenSystem, workload: Workload) -> LengthAnswer | None:
    """Send one request that forces its length; None: the workload forces none.

    A server that refuses it is asked once more without forcing, since the request itself may be the reason.

    Raises:
        SetupError: the server fails a request that forces nothing.
    """
    if workload.force_length is ForceLength.NONE:
        return None
    forced = _ask(system, workload, workload.force_length)
    if forced.ok:
        usage = forced.json().get("usage")
        tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
        return LengthAnswer.HONOURED if tokens == PROBED_TOKENS else LengthAnswer.IGNORED
    plain = _ask(system, workload, ForceLength.NONE)
    if forced.status in _UNKNOWN_FIELD and plain.ok:
        return LengthAnswer.REJECTED
    failed = forced if plain.ok else plain
    raise SetupError(f"system {system.name}: a first request failed ({failed.reason}); correct the server.")


def _ask(system: OpenSystem, workload: Workload, force: ForceLength) -> PlainAnswer:
    body: dict[str, object] = {
        "model": system.model_name,
        "max_tokens": PROBED_TOKENS,
        "temperature": 0,
        "stream": False,
    }
    chat = workload.api is Api.CHAT
    body |= {"messages": [{"role": "user", "content": _PROMPT}]} if chat else {"prompt": _PROMPT}
    if force in (ForceLength.IGNORE_EOS, ForceLength.BOTH):
        body["ignore_eos"] = True
    if force in (ForceLength.MIN_TOKENS, ForceLength.BOTH):
        body["min_tokens"] = PROBED_TOKENS
    endpoint = system.running.endpoints[0]
    return ask(endpoint, workload.api.path, system.api_key, system.client.request_timeout_s, body)
