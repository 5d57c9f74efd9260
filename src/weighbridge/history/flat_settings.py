"""What a result was measured with, flat: 'server.args.--max-num-seqs' -> '1024'.

What differs from run to run by its nature is left out, such as ports: equal settings are those of repeats.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from weighbridge.config.fingerprint import OPERATIONAL
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.formatting import value_text
from weighbridge.core.secrets import names_secret
from weighbridge.records.comparison import SweepComparison
from weighbridge.records.history_entry import REVISION
from weighbridge.records.quality_answers import MeasuredQuality
from weighbridge.records.run_record import Host, RunRecord, ServerRecord

_DIGITS = 12
_OF_ONE_PROCESS = frozenset({"--port", "--host", "--node-rank", "--master-addr"})
_OPERATIONAL = OPERATIONAL["server"] - {"gpus"} | {"stall_limit_s"}
_TARGET = re.compile(r"_(qps|latency)$")  # LoadGen's own names of the target rate


def run_settings(record: RunRecord, target_qps: float | None) -> dict[str, str]:
    """Return the settings of a run of a benchmark.

    Args:
        record: Its run.json.
        target_qps: The target rate, as the verdict has it.
    """
    settings = {
        **({} if target_qps is None else {"target_qps": _text(target_qps)}),
        **_server(record.server),
        **flat("requests", record.requests.model_dump(mode="json") if record.requests else {}),
        "requests.sha256": record.store_sha256,
        **flat("pins", record.pins),
        **flat("system", record.system),
        **_host(record.host),
        "weighbridge.version": record.weighbridge_version,
        "weighbridge.code": record.code_sha256,
        **flat("loadgen", {"version": record.load.loadgen_version or None}),
        **flat("official_client", _client(record)),
        **{
            f"loadgen.{name}": _text(value)
            for name, value in record.load.settings.items()
            if not _TARGET.search(name)
        },
    }
    if record.git_revision is not None:
        settings[REVISION] = record.git_revision
    if record.load.client is not None:
        settings["client.workers"] = str(len(record.load.client.answered_by_worker))
    return settings


def _client(record: RunRecord) -> dict[str, Any]:
    """Return what says which official client issued the requests, and of which rows; empty: none did."""
    known = {"repo", "commit", "packages_sha256", "python", "dataset_name", "dataset_sha256"}
    return record.client.model_dump(include=known) if record.client else {}


def quality_settings(measured: MeasuredQuality) -> dict[str, str]:
    """Return the settings of a measurement of quality."""
    asked = measured.model_dump(
        mode="json", include={"protocol", "shots", "limit", "total_limit", "seed", "bos"}
    )
    return {
        **flat("quality", asked),
        **flat("questions", measured.source.model_dump(mode="json")),
        **flat("model", {"digest": measured.model_digest, "tokenizer": measured.tokenizer_digest}),
        **flat("versions", measured.versions),
        **_server(measured.server),
        **_host(measured.host),
    }


def sweep_settings(settings: SweepSettings, comparison: SweepComparison) -> dict[str, str]:
    """Return the settings of a comparison of systems."""
    plain = settings.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    systems = {
        f"systems.{name}": {"kind": system.kind, "version": system.version}
        for name, system in comparison.systems.items()
    }
    return {
        **{name: text for place, data in plain.items() for name, text in flat(place, data).items()},
        **{name: text for place, data in systems.items() for name, text in flat(place, data).items()},
        "hosts": " ".join(sorted(comparison.hosts)),
        "weighbridge.version": comparison.weighbridge_version,
    }


def flat(place: str, data: object) -> dict[str, str]:
    """Return plain data as text by its place; arguments by their option, and empty values left out."""
    return dict(_flat(place, data))


def _flat(place: str, data: object) -> Iterator[tuple[str, str]]:
    if data is None or data in ({}, []):
        return
    if isinstance(data, Mapping):
        for key, each in data.items():
            if key not in _OPERATIONAL:
                yield from _flat(f"{place}.{key}", each)
    elif not isinstance(data, list | tuple):
        yield place, _text(data)
    elif place.endswith((".args", ".command")):
        yield from _words(place, [str(word) for word in data]).items()
    elif all(not isinstance(each, Mapping | list | tuple) for each in data):
        yield place, " ".join(map(_text, data))
    else:
        for number, each in enumerate(data, start=1):
            if isinstance(each, Mapping) and each.get("name"):
                unnamed = {key: value for key, value in each.items() if key != "name"}
                yield from _flat(f"{place}.{each['name']}", unnamed)
            else:
                yield from _flat(f"{place}.{number}", each)


def _server(server: ServerRecord) -> dict[str, str]:
    started = bool(server.command)
    settings: dict[str, Any] = {
        "kind": server.kind,
        "version": server.version,
        "model_name": server.model_name,
        "launcher": " ".join(server.launcher) or None,
        "replicas": str(len(server.endpoints)),
        "env": dict(server.environment),
        "inherited": dict(server.inherited),
        "prefix_caching": server.prefix_caching,
        "warmup_requests": server.warmup_requests,
        # Ports and hosts of started servers are free ones; those of the user's say which system it is.
        "endpoints": None if started else " ".join(server.endpoints),
        "reported": None if started else dict(server.reported_arguments or {}),
    }
    return {**flat("server", settings), **_words("server.args", server.command)}


def _words(place: str, words: Sequence[str]) -> dict[str, str]:
    """Return the options of a command by their names, and its other words without folders.

    Where a program and a model lie says nothing; versions and digests say which they are.
    """
    found: dict[str, list[str]] = {}
    plain: list[str] = []
    waiting: str | None = None
    for word in words:
        if word.startswith("-"):
            name, sign, value = word.partition("=")
            found.setdefault(name, []).append(value if sign else "")
            waiting = None if sign else name
        elif waiting is not None:
            found[waiting][-1] = f"{found[waiting][-1]} {word}".lstrip()
            # Of several keys none may end up among the other words, where nothing names it.
            waiting = waiting if names_secret(waiting) else None
        else:
            plain.append(PurePosixPath(word).name or word)
    options = {
        f"{place}.{name}": " ".join(filter(None, values)) or "given"
        for name, values in found.items()
        if name not in _OF_ONE_PROCESS
    }
    return {**({place: " ".join(plain)} if plain else {}), **options}


def _host(host: Host) -> dict[str, str]:
    return {
        "host.name": host.name,
        "host.cpus": str(host.cpus),
        "host.memory": f"{host.memory_bytes / 2**30:.0f} GiB",
        "host.platform": host.platform,
        "host.python": host.python,
    }


def _text(value: object) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        return value_text(value, _DIGITS)
    return str(value)
