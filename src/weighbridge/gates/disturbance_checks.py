"""Disturbances of a scenario's runs for its verdict: warnings, or checks where the verdict is strict."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.disturbances.find_disturbances import ExaminedRun, FoundDisturbances, find_disturbances
from weighbridge.disturbances.run_trace import RunTrace
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.scenario_runs import ClientChecks
from weighbridge.records.disturbance import KIND_NAMES, Disturbance, NotExamined
from weighbridge.records.run_record import TELEMETRY_FILE, RunRecord
from weighbridge.records.telemetry_readings import read_telemetry
from weighbridge.records.verdict import Check, Gate

_LIMIT = "none"


def disturbances_of(
    runs: Mapping[str, Path],
    records: Mapping[str, RunRecord | None],
    scenario: ScenarioRules,
    client_checks: ClientChecks,
) -> FoundDisturbances:
    """Return what disturbed a scenario's runs, from what they recorded.

    Args:
        runs: Folder of each run by its name.
        records: run.json of each; None: there is none.
        scenario: The scenario's rules.
        client_checks: The checks that the client was not a run's limit.

    Raises:
        InputError: a file of a run is damaged.
    """
    rows = {name: RequestRows.read(folder) for name, folder in runs.items()}
    found = find_disturbances(
        {
            name: _examined(
                _recorded_in(name, runs, records.get(name)), rows[name], records.get(name), scenario
            )
            for name in runs
        }
    )
    busy: list[Disturbance] = []
    missing: list[NotExamined] = []
    for name, folder in runs.items():
        record = records.get(name)
        if record is None or record.load.client is None:
            reason = "the client recorded nothing of itself"
            missing.append(NotExamined(run=name, kind="client_busy", reason=reason))
        elif scenario.rules_of(name).kind != Mode.PERFORMANCE:  # there, these are checks in any case
            checks = client_checks(folder, record, rows[name])
            busy += [_busy(name, check) for check in checks if check.passed is False]
    return FoundDisturbances((*found.found, *busy), (*found.not_examined, *missing))


def _recorded_in(run: str, runs: Mapping[str, Path], record: RunRecord | None) -> Path:
    """Return the folder with a run's telemetry: both phases of the official client are one job's."""
    one_job = record is not None and record.client is not None
    return runs.get(Mode.PERFORMANCE, runs[run]) if one_job else runs[run]


def _examined(
    folder: Path, rows: RequestRows | None, record: RunRecord | None, scenario: ScenarioRules
) -> ExaminedRun:
    trace = None
    if rows is not None:
        planned_ns = rows.planned_ns
        if scenario.offline and len(rows):
            # The official client issues one by one what is due at once.
            planned_ns = np.full_like(planned_ns, planned_ns.min())
        trace = RunTrace.of(planned_ns, rows.end_ns, rows.tokens, rows.sample)
    if rows is None or trace is None:
        return ExaminedRun(None)
    telemetry = folder / TELEMETRY_FILE
    return ExaminedRun(
        trace,
        read_telemetry(telemetry, int(rows.planned_ns.min())) if telemetry.is_file() else None,
        # Through srun or a container, or on endpoints, they may be elsewhere.
        servers_seen=record is not None and bool(record.server.command) and not record.server.launcher,
        requested_rate=None if record is None else record.load.requested_qps,
    )


def _busy(run: str, check: Check) -> Disturbance:
    return Disturbance(
        run=run,
        kind="client_busy",
        sentence=f"The client was short of time: {check.wording}.",
        evidence={check.name: float(check.value)} if isinstance(check.value, int | float) else {},
        remedy=check.remedy or "",
    )


def strict_checks(disturbances: FoundDisturbances) -> list[Check]:
    """Return a failed check for each disturbance, an unknown one for what could not be looked for."""
    checks: list[Check] = []
    for each in disturbances.found:
        gate = Gate(each.run)
        gate.holds(f"disturbance: {KIND_NAMES[each.kind]}", each.sentence, _LIMIT, False, each.remedy)
        checks += gate.checks
    for run, missing in _by_run(disturbances.not_examined).items():
        gate = Gate(run)
        for name, reasons in missing.items():
            said = "; ".join(reasons)
            gate.unknown(
                f"disturbance: {name}", _LIMIT, f"Not looked for ({said}): repeat the run so that it is."
            )
        checks += gate.checks
    if not checks:
        gate = Gate(None)
        gate.holds("disturbances", 0, _LIMIT, True, "")
        checks += gate.checks
    return checks


def _by_run(missing: Iterable[NotExamined]) -> dict[str | None, dict[str, list[str]]]:
    found: dict[str | None, dict[str, list[str]]] = {}
    for each in missing:
        found.setdefault(each.run, {}).setdefault(KIND_NAMES[each.kind], []).append(each.reason)
    return found
