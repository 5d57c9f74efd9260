"""Empty a system's caches before a run, as far as it lets us, and say what was done."""

import subprocess
from collections.abc import Sequence

from weighbridge.core.errors import SetupError
from weighbridge.serving.plain_request import ask
from weighbridge.sweep.systems import OpenSystem

_TIMEOUT_S = 60.0
# vllm/entrypoints/serve/cache/api_router.py, all with VLLM_SERVER_DEV_MODE=1 only
_VLLM = ("/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache")
# sglang/srt/entrypoints/http_server.py
_SGLANG = ("/flush_cache",)
_BY_KIND = {"vLLM": _VLLM, "SGLang": _SGLANG}
_LONGEST_OUTPUT = 300


def reset_caches(system: OpenSystem) -> str:
    """Empty the caches of a system, and return how, or why they were not, for its record.

    Raises:
        SetupError: the command that the settings name fails.
    """
    if system.system.reset_cmd:
        _run(system.name, system.system.reset_cmd)
        return f"by {' '.join(system.system.reset_cmd)}"
    paths = _BY_KIND.get(system.running.kind or "", (*_VLLM, *_SGLANG))
    answers = {
        path: [ask(url, path, system.api_key, _TIMEOUT_S) for url in system.running.endpoints]
        for path in paths
    }
    done = [path for path, all_ in answers.items() if all(answer.ok for answer in all_)]
    refused = {
        path: next(answer for answer in all_ if not answer.ok).status
        for path, all_ in answers.items()
        if path not in done
    }
    if done:
        missing = f"; not {', '.join(refused)}" if refused else ""
        return f"by {', '.join(done)}{missing}"
    statuses = sorted({str(status) if status else "no answer" for status in refused.values()})
    return f"not emptied: the server takes no request for it ({', '.join(statuses)})"


def _run(name: str, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False, text=True)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"system {name}: reset_cmd '{command[0]}' cannot be run ({error}).") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-_LONGEST_OUTPUT:]
        raise SetupError(
            f"system {name}: reset_cmd '{command[0]}' ended with exit code {done.returncode} ({said})."
        )
