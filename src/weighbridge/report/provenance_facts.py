"""Where the results come from: pins, versions, hashes and commands, each told once where the runs agree."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weighbridge.core.formatting import memory_size, utc_time
from weighbridge.records.run_record import RunRecord
from weighbridge.report.inputs import Run


@dataclass(frozen=True)
class Fact:
    """One thing that is known of the runs."""

    name: str
    values: tuple[tuple[str, str], ...]
    """Each value, and the runs that have it; the runs are '' where all have the same."""


def facts(runs: Sequence[Run]) -> list[Fact]:
    """Tell what each run.json says; what a run does not have is left out."""
    pins = sorted({name for run in runs for name in run.record.pins})
    of_pins = {f"{name} manifest, sha256": _pin(name) for name in pins}
    return [fact for name, ask in (_ASKED | of_pins).items() if (fact := _fact(name, ask, runs)) is not None]


def system_facts(runs: Sequence[Run]) -> list[Fact]:
    """Tell what the machines told of themselves."""
    names = sorted({name for run in runs for name in run.record.system})
    asked = {name.replace("_", " "): _system(name) for name in names}
    return [fact for name, ask in asked.items() if (fact := _fact(name, ask, runs)) is not None]


def command_of(record: RunRecord) -> str:
    """Word how the server was started, ready for a shell; empty for servers that the user ran."""
    server = record.server
    words = [f"{name}={shlex.quote(value)}" for name, value in sorted(server.environment.items())]
    words += map(shlex.quote, (*server.launcher, *server.command))
    return " ".join(words) if server.command else ""


def _fact(name: str, ask: Callable[[RunRecord], str | None], runs: Sequence[Run]) -> Fact | None:
    having: dict[str, list[str]] = {}
    for run in runs:
        if value := ask(run.record):
            having.setdefault(value, []).append(run.name)
    if not having:
        return None
    if len(having) == 1 and len(next(iter(having.values()))) == len(runs):
        return Fact(name, tuple((value, "") for value in having))
    return Fact(name, tuple((value, ", ".join(names)) for value, names in having.items()))


def _pin(name: str) -> Callable[[RunRecord], str | None]:
    return lambda record: record.pins.get(name)


def _system(name: str) -> Callable[[RunRecord], str | None]:
    return lambda record: record.system.get(name)


_ASKED: dict[str, Callable[[RunRecord], str | None]] = {
    "Weighbridge": lambda record: record.weighbridge_version,
    "git revision": lambda record: record.git_revision,
    "code, sha256": lambda record: record.code_sha256,
    "LoadGen": lambda record: record.load.loadgen_version,
    "model name": lambda record: record.server.model_name,
    "server version": lambda record: record.server.version or "not told",
    "servers": lambda record: ", ".join(record.server.endpoints),
    "GPUs of each server": lambda record: "; ".join(record.server.devices),
    "known request": lambda record: record.server.golden,
    "client's host": lambda record: record.host.name,
    "its processors": lambda record: str(record.host.cpus),
    "its memory": lambda record: memory_size(record.host.memory_bytes),
    "its platform": lambda record: record.host.platform,
    "its Python": lambda record: record.host.python,
    "started": lambda record: utc_time(record.load.started),
    "ended": lambda record: utc_time(record.load.ended),
    "request bodies, sha256": lambda record: record.store_sha256,
}
