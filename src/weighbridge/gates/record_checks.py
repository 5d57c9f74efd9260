"""Checks of both runs' run.json: no request failed, and both runs measured the same system."""

from collections.abc import Callable, Sequence
from pathlib import Path

from weighbridge.client.frames import RequestOutcome, faults
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, RunRules, ScenarioRules
from weighbridge.core.files import sha256_of
from weighbridge.records.earlier_releases import round_reference
from weighbridge.records.notice import mark_in
from weighbridge.records.official_client import (
    ACCURACY_RESULTS,
    CLIENT_FOLDER,
    EVENTS,
    PHASE_ANSWERS,
    RESULT_SUMMARY,
    SAMPLE_MAP,
    WRITTEN_CONFIG,
)
from weighbridge.records.run_record import (
    AUDIT_CONFIG,
    ECC_MODE,
    ERRORS_FILE,
    REQUESTS_TABLE,
    SAMPLED_ANSWERS,
    RunRecord,
)
from weighbridge.records.verdict import Check, Gate

_NOT_RECORDED = "No run.json, so this cannot be checked; repeat the run with `weighbridge run`."
_EQUAL = "equal in both runs"
_LEFT = {"loadgen": "logs as LoadGen left them", "endpoints": "files as the client left them"}
_RESETS = (
    " Connections were reset: by a server that ended, restarted or refuses more connections, or by the idle "
    "time-out of a load balancer, proxy or server that closes kept-alive connections without announcing it. "
    "Raise that time-out above the longest pause between requests, or connect to the server directly."
)


def evidence_of(run: RunRules, evidence: str = "loadgen") -> tuple[str, ...]:
    """Return the files that are needed to count a run's requests again.

    A compliance run logs its answers, as an accuracy run does; a performance run keeps a share of them. The
    official client's files are those of both its phases, and lie in the performance run's folder.

    Args:
        run: The run.
        evidence: Whose files prove it, as in a round.
    """
    if evidence == "endpoints":
        if run.mode is Mode.ACCURACY:
            return REQUESTS_TABLE, ERRORS_FILE, PHASE_ANSWERS
        files = (WRITTEN_CONFIG, RESULT_SUMMARY, ACCURACY_RESULTS, EVENTS, SAMPLE_MAP)
        return REQUESTS_TABLE, ERRORS_FILE, SAMPLED_ANSWERS, *(str(CLIENT_FOLDER / file) for file in files)
    if run.compliance_test is not None:
        return REQUESTS_TABLE, ERRORS_FILE, AUDIT_CONFIG
    return (REQUESTS_TABLE, ERRORS_FILE, *((SAMPLED_ANSWERS,) if run.mode is Mode.PERFORMANCE else ()))


def record_checks(
    performance_folder: Path | None,
    accuracy_folder: Path | None,
    performance: RunRecord | None,
    accuracy: RunRecord | None,
    round_: Round,
    scenario: ScenarioRules,
    not_made: str | None = None,
) -> list[Check]:
    """Check what only run.json records; without it these checks are unknown, never passed.

    Where the accuracy run was not made, `not_made` is why, and what to do about what is unknown.
    """
    checks = [
        *one_run_checks(performance_folder, performance, Mode.PERFORMANCE, round_, scenario),
        *one_run_checks(accuracy_folder, accuracy, Mode.ACCURACY, round_, scenario),
        *same_system_checks(performance, accuracy, round_),
    ]
    if not_made is None:
        return checks
    known = {"remedy": f"{not_made}."}
    return [check.model_copy(update=known) if check.remedy == _NOT_RECORDED else check for check in checks]


def one_run_checks(
    folder: Path | None, record: RunRecord | None, run: str, round_: Round, scenario: ScenarioRules
) -> list[Check]:
    """Check what run.json says of one of a scenario's runs, `run` by its name."""
    gate = Gate(run)
    expected = f"{round_.name}, {scenario.name}, {scenario.runs[run].kind}"
    if record is None or folder is None:
        gate.unknown("recorded as", expected, _NOT_RECORDED)
        gate.unknown("failed requests", "0", _NOT_RECORDED)
        if ServerFeature.PREFIX_CACHING in round_.server_must_not:
            gate.unknown("prefix caching", "off", _NOT_RECORDED)
        return gate.checks
    recorded = f"{record.round}, {record.scenario}, {record.kind}"
    if not record.is_of(round_.benchmark, round_.category):
        # Several benchmarks have a round of this name.
        recorded = f"{round_reference(record.round, record.benchmark, record.category)}, {record.scenario}"
    gate.equals("recorded as", recorded, expected, f"Use the logs of {expected}.")
    failed = {kind: count for kind, count in sorted(record.load.failed.items()) if count}
    if record.ended_as_lost:  # of which those that were ended with it are a part
        failed = faults(failed)
    kinds = ", ".join(f"{count} {kind}" for kind, count in failed.items())
    remedy = f"Failed: {kinds}. See errors.jsonl and server.log in the run folder; fix the cause and repeat."
    if record.load.failed.get(RequestOutcome.RESET.label):
        remedy += _RESETS
    gate.equals("failed requests", sum(failed.values()), 0, remedy)
    remedy = "Fix the cause and repeat the run."
    if record.load.lost is not None and record.ended_as_lost:
        remedy = record.load.lost.remedy
    gate.equals("ended early", record.load.aborted, None, remedy)
    needed = evidence_of(scenario.runs[run], round_.evidence) if round_.held_to_rules else ()
    _logs_unchanged(gate, folder, record, needed, round_)
    _no_prefix_caching(gate, record, round_)
    _proven(gate, record, round_)
    if round_.submittable and mark_in(record.server.version or ""):
        gate.holds("server", record.server.version, "a model server", False, "Measure a model server.")
    if ECC_MODE in record.system:
        gate.equals(
            "ECC", record.system[ECC_MODE], "enabled", "Switch it on (nvidia-smi -e 1, reboot) and repeat."
        )
    return gate.checks


def _logs_unchanged(
    gate: Gate, folder: Path, record: RunRecord, needed: Sequence[str], round_: Round
) -> None:
    """Check the files that run.json names by their hashes; a needed one that it does not name is unknown."""
    changed = [
        name
        for name, sha256 in record.logs.items()
        if not (folder / name).is_file() or sha256_of(folder / name) != sha256
    ]
    unnamed = [name for name in needed if name not in record.logs]
    gate.holds(
        _LEFT[round_.evidence],
        ", ".join(changed) or (f"no hash of {', '.join(unnamed)}" if unnamed else "unchanged"),
        "the hashes in run.json",
        False if changed or not record.logs else None if unnamed else True,
        f"{folder} holds edited files, files of another run, or files that its run.json does not name; "
        "restore them or repeat the run.",
    )


def _no_prefix_caching(gate: Gate, record: RunRecord, round_: Round) -> None:
    """Check that prefix caching was off; a demonstration round accepts a server that does not report it."""
    if ServerFeature.PREFIX_CACHING not in round_.server_must_not:
        return
    server, telemetry = record.server, record.telemetry
    if telemetry is not None and telemetry.prefix_cache_hits is not None:
        gate.equals(
            "prefix-cache hits",
            telemetry.prefix_cache_hits,
            0,
            "The rules forbid prefix caching, and the server took this many prompt tokens from its cache; "
            "start it with --no-enable-prefix-caching (vLLM) or --disable-radix-cache (SGLang), and repeat.",
        )
    if telemetry is not None and telemetry.external_prefix_cache_hits is not None:
        gate.equals(
            "external prefix-cache hits",
            telemetry.external_prefix_cache_hits,
            0,
            "The rules forbid prefix caching, and the server took this many prompt tokens from a cache "
            "outside of it; start it without a connector for KV caches (--kv-transfer-config), and repeat.",
        )
    state = "off" if "--no-enable-prefix-caching" in server.command else server.prefix_caching
    if state != "unknown" or round_.held_to_rules:
        reports = (
            "reports that prefix caching is on" if state == "on" else "does not report its prefix caching"
        )
        gate.holds(
            "prefix caching",
            state,
            "off",
            {"off": True, "on": False}.get(state),
            f"The server {reports}; use one that reports through /metrics or /get_server_info that it is "
            "off, or let Weighbridge start the server.",
        )


def _proven(gate: Gate, record: RunRecord, round_: Round) -> None:
    """Check that the server that answered was the one that was started; one's own servers are not started."""
    server = record.server
    if not server.command:
        return
    if server.proven is not None:
        gate.holds("server identity", server.proven, "proven", True, "")
    elif round_.held_to_rules:
        gate.unknown(
            "server identity",
            "proven",
            "Nothing proves that the started server answered, and not another on its port; repeat the run.",
        )


def same_system_checks(
    performance: RunRecord | None, accuracy: RunRecord | None, round_: Round
) -> list[Check]:
    """Check that two runs, the performance run and another, measured the same system."""
    gate = Gate(None)
    if performance is None or accuracy is None:
        for name in _identity(round_):
            gate.unknown(name, _EQUAL, _NOT_RECORDED)
        return gate.checks
    for name, value_of in _identity(round_).items():
        ours, theirs = value_of(performance), value_of(accuracy)
        value = ours if ours == theirs else f"{ours} | {theirs}"
        gate.holds(name, value, _EQUAL, ours == theirs, "Repeat the older of the two runs.")
    if performance.server.command or accuracy.server.command:
        _same_environment(gate, performance, accuracy, round_)
    return gate.checks


def _same_environment(gate: Gate, performance: RunRecord, accuracy: RunRecord, round_: Round) -> None:
    """Check what started servers inherited, and on how many devices they ran."""
    name, servers = "same server environment", (performance.server, accuracy.server)
    if all("inherited" in server.model_fields_set for server in servers):
        ours, theirs = (server.inherited for server in servers)
        differing = [
            f"{name}={ours.get(name, '(not set)')} | {theirs.get(name, '(not set)')}"
            for name in sorted({*ours, *theirs})
            if ours.get(name) != theirs.get(name)
        ]
        gate.holds(
            name,
            "; ".join(differing) or f"{len(ours)} variables",
            _EQUAL,
            not differing,
            "Variables that the server, its libraries or the loader read differ; set them alike in the "
            "environment of both runs, or in server.env, and repeat the older of the two runs.",
        )
    elif round_.held_to_rules:
        gate.unknown(name, _EQUAL, "A run did not record what its server inherited; repeat it.")
    counts = [" ".join(str(len(each.split(","))) for each in server.devices) for server in servers]
    if any(counts):
        shown = counts[0] if counts[0] == counts[1] else " | ".join(counts)
        gate.holds(
            "same number of devices", shown, _EQUAL, counts[0] == counts[1], "Use as many in both runs."
        )


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
}


def _identity(round_: Round) -> dict[str, Callable[[RunRecord], str]]:
    if round_.evidence == "endpoints":
        return _IDENTITY | {"same client": _client}
    return _IDENTITY | {"same LoadGen": lambda record: record.load.loadgen_version}


def _client(record: RunRecord) -> str:
    client = record.client
    if client is None:
        return "not recorded"
    return f"{client.commit[:12]}, packages {client.packages_sha256[:12]}, Python {client.python}"
