"""The accuracy phase of an invocation of the official client as a run of its own.

The client makes both phases in one go, and leaves one report of them in the folder of the performance run.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weighbridge.client import request_log
from weighbridge.client.load_run import clear
from weighbridge.client.request_log import Records
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of, write_atomic
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.endpoints.events import ClientPhase, Events
from weighbridge.endpoints.phase_report import answered_by_worker, in_flight, issue_delay
from weighbridge.endpoints.phase_tables import answer_tokens, records_of, write_answers, write_phase
from weighbridge.endpoints.written_config import WrittenConfig
from weighbridge.records.official_client import (
    CLIENT_FOLDER,
    CLIENT_REQUEST,
    EVENTS,
    PHASE_ANSWERS,
    WRITTEN_CONFIG,
)
from weighbridge.records.run_record import (
    ERRORS_FILE,
    REQUESTS_TABLE,
    RUN_RECORD,
    LoadReport,
    RunRecord,
)


def write_accuracy_run(performance: Path, out: Path) -> RunRecord:
    """Write the folder of the accuracy run: run.json, requests.parquet, errors.jsonl and answers.jsonl.

    Args:
        performance: Folder of the performance run, with the client's report.
        out: The folder to write.

    Raises:
        InputError: the run's record, report or log is missing or damaged, the log is not the one that
            run.json names, there was no accuracy phase, or the model's tokenizer cannot be read.
        OSError: the disk takes no more.
    """
    record = RunRecord.read(performance / RUN_RECORD)
    results, events = ClientResults.read(performance), Events.read(performance)
    if results.config is None or events is None or not events.performance:
        raise InputError(
            f"{performance / CLIENT_FOLDER}: {WRITTEN_CONFIG} or {EVENTS} of the official client is missing, "
            "or no query is of the performance phase; restore its report, or repeat the run."
        )
    named = (CLIENT_FOLDER / EVENTS).as_posix()
    if named in record.logs and record.logs[named] != sha256_of(performance / named):
        raise InputError(
            f"{performance / named}: not the log that {RUN_RECORD} names; restore it, or repeat the run."
        )
    phase = events.accuracy
    if not phase:
        raise InputError(
            f"{performance / CLIENT_FOLDER}: the client issued no accuracy phase; repeat the run to its end."
        )
    clear(out, PHASE_ANSWERS, RUN_RECORD)
    rows = records_of(phase, _tokens(phase, results.config))
    write_phase(phase, out, rows, _key(performance / CLIENT_REQUEST))
    write_answers(phase, out)
    load = _load(record.load, rows, phase, events.performance, results.config)
    files = (REQUESTS_TABLE, ERRORS_FILE, PHASE_ANSWERS)
    written = record.model_copy(
        update={
            "mode": Mode.ACCURACY,
            "load": load,
            "logs": {name: sha256_of(out / name) for name in files},
        }
    )
    write_atomic(out / RUN_RECORD, written.model_dump_json(indent=2) + "\n", private=True)
    return written


def _tokens(phase: ClientPhase, config: WrittenConfig) -> NDArray[np.int64]:
    folder = config.model_params.tokenizer_name
    if folder is None:
        raise InputError(
            f"{WRITTEN_CONFIG}: names no tokenizer, so the client counted no tokens; repeat the run with the "
            "model's folder as tokenizer_name."
        )
    return answer_tokens(phase, Path(folder))


def _key(request: Path) -> str | None:
    """Return the endpoints' key, which an error may repeat; None: there is none, or it is not set here."""
    variable = WrittenConfig.read(request).key_variable if request.is_file() else None
    return os.environ.get(variable) if variable else None


def _load(
    whole: LoadReport, rows: Records, phase: ClientPhase, before: ClientPhase, config: WrittenConfig
) -> LoadReport:
    """Report on an accuracy phase.

    Its times follow from those of the performance phase, by the clock of both. CPU time is known of the
    whole invocation, whose queries are given equal shares of it.

    Args:
        whole: The report on the performance phase.
        rows: The phase's queries in our form.
        phase: The phase.
        before: The performance phase.
        config: What the client was told.
    """
    failed = request_log.failures(rows)
    began_at, zero_ns = datetime.fromisoformat(whole.started), int(before.issued_ns.min())
    share = len(phase) / len(before)
    cpu_s = whole.client_cpu_s * share / (1 + share)
    client = whole.client and whole.client.model_copy(
        update={"answered_by_worker": answered_by_worker(phase)}
    )
    settings = config.settings
    return whole.model_copy(
        update={
            "issued": len(phase),
            "completed": len(phase) - sum(failed.values()),
            "failed": failed,
            "empty": failed.get("empty", 0),
            "lost": None,
            "achieved_qps": request_log.achieved_qps(rows),
            "schedule_delay": issue_delay(
                phase,
                settings.load_pattern.target_qps,
                settings.runtime.scheduler_random_seed,
                earlier=len(before),
            ),
            "client_cpu_s": cpu_s,
            "client_cpu_us_per_request": cpu_s / len(phase) * 1e6,
            "client": client,
            "in_flight": in_flight(rows),
            "sent_bytes": round(whole.sent_bytes * share),  # both issue whole passes of one dataset
            "received_bytes": int(rows["received_bytes"].sum(dtype="int64")),
            "started": _later(began_at, int(phase.issued_ns.min()) - zero_ns),
            "ended": _later(began_at, int(max(phase.end_ns.max(), phase.issued_ns.max())) - zero_ns),
        }
    )


def _later(began_at: datetime, after_ns: int) -> str:
    return (began_at + timedelta(microseconds=after_ns / 1000)).isoformat(timespec="milliseconds")
