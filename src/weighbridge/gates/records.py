"""The two runs beside each other: nothing failed in either, and both ran the same system."""

from collections.abc import Callable

from weighbridge.gates.verdict import Check, Gate
from weighbridge.record import RunRecord
from weighbridge.rounds import Round
from weighbridge.terms import Mode, Scenario

_NOT_RECORDED = "There is no run.json, so this is not known; repeat the run with `weighbridge run`."
_EQUAL = "equal in both runs"


def record_checks(
    performance: RunRecord | None, accuracy: RunRecord | None, round_: Round, scenario: Scenario
) -> list[Check]:
    """Check what only run.json tells; without it these checks are not known, and never passed."""
    return [
        *_one_run(performance, Mode.PERFORMANCE, round_, scenario),
        *_one_run(accuracy, Mode.ACCURACY, round_, scenario),
        *_same_system(performance, accuracy),
    ]


def _one_run(record: RunRecord | None, mode: Mode, round_: Round, scenario: Scenario) -> list[Check]:
    gate = Gate(mode)
    meant = f"{round_.name}, {scenario}, {mode}"
    if record is None:
        gate.unknown("recorded as", meant, _NOT_RECORDED)
        gate.unknown("failed requests", "0", _NOT_RECORDED)
        return gate.checks
    recorded = f"{record.round}, {record.scenario}, {record.mode}"
    gate.equals("recorded as", recorded, meant, f"Give the logs of {meant}.")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(record.load.failed.items()) if count)
    remedy = f"Failed: {kinds}. See errors.jsonl and server.log beside the run; mend the cause and repeat."
    gate.equals("failed requests", record.load.failures, 0, remedy)
    gate.equals("ended early", record.load.aborted, None, "Mend the cause and repeat the run.")
    return gate.checks


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
    """Word how the server was run, without the port, which is free to differ."""
    server = record.server
    words = list(server.command) if server.command else [*server.endpoints, server.model_name]
    if "--port" in words:
        at = words.index("--port")
        del words[at : at + 2]
    environment = [f"{name}={value}" for name, value in sorted(server.environment.items())]
    return " ".join([*environment, *(word for word in words if not word.startswith("--port="))])


# What the rules want to be the same in both modes (inference_rules.adoc in mlcommons/inference_policies).
_IDENTITY: dict[str, Callable[[RunRecord], str]] = {
    "same code": lambda record: record.code_sha256,
    "same pins": _pins,
    "same requests": lambda record: record.store_sha256,
    "same server command": _command,
    "same server version": lambda record: record.server.version or "not told",
    "same LoadGen": lambda record: record.load.loadgen_version,
}
