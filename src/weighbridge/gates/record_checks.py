"""Checks of both runs' run.json: no request failed, and both runs measured the same system."""

from collections.abc import Callable
from pathlib import Path

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.files import sha256_of
from weighbridge.records.notice import mark_in
from weighbridge.records.run_record import ECC_MODE, RunRecord
from weighbridge.records.verdict import Check, Gate

_NOT_RECORDED = "No run.json, so this cannot be checked; repeat the run with `weighbridge run`."
_EQUAL = "equal in both runs"


def record_checks(
    performance_folder: Path | None,
    accuracy_folder: Path | None,
    performance: RunRecord | None,
    accuracy: RunRecord | None,
    round_: Round,
    scenario: ScenarioRules,
) -> list[Check]:
    """Check what only run.json records; without it these checks are unknown, never passed."""
    return [
        *_one_run(performance_folder, performance, Mode.PERFORMANCE, round_, scenario),
        *_one_run(accuracy_folder, accuracy, Mode.ACCURACY, round_, scenario),
        *_same_system(performance, accuracy),
    ]


def _one_run(
    folder: Path | None, record: RunRecord | None, mode: Mode, round_: Round, scenario: ScenarioRules
) -> list[Check]:
    gate = Gate(mode)
    expected = f"{round_.name}, {scenario.name}, {mode}"
    if record is None or folder is None:
        gate.unknown("recorded as", expected, _NOT_RECORDED)
        gate.unknown("failed requests", "0", _NOT_RECORDED)
        return gate.checks
    recorded = f"{record.round}, {record.scenario}, {record.mode}"
    gate.equals("recorded as", recorded, expected, f"Use the logs of {expected}.")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(record.load.failed.items()) if count)
    remedy = f"Failed: {kinds}. See errors.jsonl and server.log in the run folder; fix the cause and repeat."
    gate.equals("failed requests", record.load.failures, 0, remedy)
    gate.equals("ended early", record.load.aborted, None, "Fix the cause and repeat the run.")
    _logs_unchanged(gate, folder, record)
    _no_prefix_caching(gate, record, round_)
    if round_.submittable and mark_in(record.server.version or ""):
        gate.holds("server", record.server.version, "a model server", False, "Measure a model server.")
    if ECC_MODE in record.system:
        gate.equals(
            "ECC", record.system[ECC_MODE], "enabled", "Switch it on (nvidia-smi -e 1, reboot) and repeat."
        )
    return gate.checks


def _logs_unchanged(gate: Gate, folder: Path, record: RunRecord) -> None:
    changed = [
        name
        for name, sha256 in record.logs.items()
        if not (folder / name).is_file() or sha256_of(folder / name) != sha256
    ]
    gate.holds(
        "logs as LoadGen left them",
        ", ".join(changed) or "unchanged",
        "the hashes in run.json",
        bool(record.logs) and not changed,
        f"{folder} holds edited files or files of another run; restore them or repeat the run.",
    )


def _no_prefix_caching(gate: Gate, record: RunRecord, round_: Round) -> None:
    """Check that prefix caching was off; a demonstration round accepts a server that does not report it."""
    if ServerFeature.PREFIX_CACHING not in round_.server_must_not:
        return
    server = record.server
    hits = record.telemetry.prefix_cache_hits if record.telemetry else None
    if hits is not None:
        gate.equals(
            "prefix-cache hits",
            hits,
            0,
            "The rules forbid prefix caching, and the server took this many prompt tokens from its cache; "
            "start it with --no-enable-prefix-caching (vLLM) or --disable-radix-cache (SGLang), and repeat.",
        )
    state = "off" if "--no-enable-prefix-caching" in server.command else server.prefix_caching
    if state != "unknown" or round_.held_to_rules:
        gate.holds(
            "prefix caching",
            state,
            "off",
            {"off": True, "on": False}.get(state),
            "The server does not report that prefix caching is off; use one that reports it through /metrics "
            "or /get_server_info, with caching off, or let Weighbridge start the server.",
        )


def _same_system(performance: RunRecord | None, accuracy: RunRecord | None) -> list[Check]:
    gate = Gate(None)
    if performance is None or accuracy is None:
        for name in _IDENTITY:
            gate.unknown(name, _EQUAL, _NOT_RECORDED)
        return gate.checks
    for name, value_of in _IDENTITY.items():
        ours, theirs = value_of(performance), value_of(accuracy)
        value = ours if ours == theirs else f"{ours} | {theirs}"
        gate.holds(name, value, _EQUAL, ours == theirs, "Repeat the older of the two runs.")
    return gate.checks


def _pins(record: RunRecord) -> str:
    return " ".join(f"{name}={pin}" for name, pin in sorted(record.pins.items()))


def _command(record: RunRecord) -> str:
    """Return the server's launcher, command and environment as text, without the port, which may differ."""
    server = record.server
    words = [*server.launcher, *(server.command or (*server.endpoints, server.model_name))]
    if "--port" in words:
        at = words.index("--port")
        del words[at : at + 2]
    environment = [f"{name}={value}" for name, value in sorted(server.environment.items())]
    replicas = [f"{len(server.endpoints)} x"] if len(server.endpoints) > 1 else []
    return " ".join([*replicas, *environment, *(word for word in words if not word.startswith("--port="))])


# What the rules require to be the same in both modes (inference_rules.adoc in mlcommons/inference_policies).
_IDENTITY: dict[str, Callable[[RunRecord], str]] = {
    "same code": lambda record: record.code_sha256,
    "same pins": _pins,
    "same requests": lambda record: record.store_sha256,
    "same server command": _command,
    "same server version": lambda record: record.server.version or "not reported",
    "same LoadGen": lambda record: record.load.loadgen_version,
}
