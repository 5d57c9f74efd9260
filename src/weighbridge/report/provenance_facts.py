"""The report's facts on provenance: pins, versions, hashes and commands, merged where the runs agree."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.formatting import memory_size, utc_time
from weighbridge.records.official_client import OfficialClient
from weighbridge.records.run_record import RunRecord
from weighbridge.report.inputs import ReportRun

_Value = Callable[[RunRecord], str | None]


@dataclass(frozen=True)
class ProvenanceFact:
    """A named value of the runs, or several where they differ."""

    name: str
    values: tuple[tuple[str, str], ...]
    """Each value with the names of its runs; '' if all runs have the same value."""


def provenance_facts(runs: Sequence[ReportRun]) -> list[ProvenanceFact]:
    """Return the facts of the runs' records; facts that no run has are left out."""
    pins = sorted({name for run in runs for name in run.record.pins})
    of_pins = {f"{name} manifest, sha256": _pin(name) for name in pins}
    return [
        fact for name, value in (_FACTS | of_pins).items() if (fact := _fact(name, value, runs)) is not None
    ]


def system_facts(runs: Sequence[ReportRun]) -> list[ProvenanceFact]:
    """Return the detected facts of the machines."""
    names = sorted({name for run in runs for name in run.record.system})
    values = {name.replace("_", " "): _system(name) for name in names}
    return [fact for name, value in values.items() if (fact := _fact(name, value, runs)) is not None]


def command_of(record: RunRecord) -> str:
    """Return the server's command for a shell, with its environment; empty for servers that the user ran."""
    server = record.server
    parts = [f"{name}={shlex.quote(value)}" for name, value in sorted(server.environment.items())]
    parts += map(shlex.quote, (*server.launcher, *server.command))
    return " ".join(parts) if server.command else ""


def _fact(name: str, value_of: _Value, runs: Sequence[ReportRun]) -> ProvenanceFact | None:
    names_by_value: dict[str, list[str]] = {}
    for run in runs:
        if value := value_of(run.record):
            names_by_value.setdefault(value, []).append(run.name)
    if not names_by_value:
        return None
    if len(names_by_value) == 1 and len(next(iter(names_by_value.values()))) == len(runs):
        return ProvenanceFact(name, tuple((value, "") for value in names_by_value))
    return ProvenanceFact(name, tuple((value, ", ".join(names)) for value, names in names_by_value.items()))


def _guided_decoding(requests: RequestSettings | None) -> str | None:
    if requests is None:
        return None
    used = requests.guided_decoding
    return "used: every request demands the JSON schema of answers" if used else "not used"


def _envelope(record: RunRecord) -> tuple[str | None, str | None]:
    """Return the texts around the prompts; the official client builds bodies of its own."""
    return record.envelope if record.envelope and record.client is None else (None, None)


def _rows_of(client: OfficialClient) -> str:
    return f"{client.dataset_name}, {client.dataset_rows} rows, sha256 {client.dataset_sha256}"


def _pin(name: str) -> _Value:
    return lambda record: record.pins.get(name)


def _system(name: str) -> _Value:
    return lambda record: record.system.get(name)


# A proof is of files here; what a server that was not started has loaded, it does not show.
_WEIGHTS_OF_USER = "those that the user's servers loaded: not proven here"
_FACTS: dict[str, _Value] = {
    "Weighbridge": lambda record: record.weighbridge_version,
    "git revision": lambda record: record.git_revision,
    "code, sha256": lambda record: record.code_sha256,
    "LoadGen": lambda record: record.load.loadgen_version,
    "official client": lambda record: (
        f"{record.client.repo} @ {record.client.commit}" if record.client else None
    ),
    "its Python packages, sha256": lambda record: record.client.packages_sha256 if record.client else None,
    "its rows of the dataset": lambda record: _rows_of(record.client) if record.client else None,
    "model name": lambda record: record.server.model_name,
    "server version": lambda record: record.server.version or "not reported",
    "servers": lambda record: ", ".join(record.server.endpoints),
    "weights": lambda record: None if record.server.command else _WEIGHTS_OF_USER,
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
    "guided decoding": lambda record: _guided_decoding(record.requests),
    "every body before its prompt": lambda record: _envelope(record)[0],
    "every body after its prompt": lambda record: _envelope(record)[1],
}
