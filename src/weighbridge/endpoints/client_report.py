"""The performance phase of a finished run of the official client, as the files and figures of any run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic_ns

import numpy as np

from weighbridge.client import request_log
from weighbridge.client.request_log import RECORD_TYPE, Records
from weighbridge.endpoints.client_config import ClientPlan
from weighbridge.endpoints.client_process import ClientProcess
from weighbridge.endpoints.events import ClientPhase, Events
from weighbridge.endpoints.phase_report import answered_by_worker, in_flight, issue_delay
from weighbridge.endpoints.phase_tables import answer_tokens, records_of, write_phase, write_sampled_answers
from weighbridge.endpoints.written_config import WrittenConfig
from weighbridge.records.official_client import WRITTEN_CONFIG, client_folder
from weighbridge.records.run_record import ClientRecord, LoadReport


def write_report(
    process: ClientProcess,
    plan: ClientPlan,
    events: Events | None,
    out: Path,
    sent_bytes: int,
    key: str | None,
) -> LoadReport:
    """Write requests.parquet, errors.jsonl and sampled answers of the performance phase, and report on it.

    Args:
        process: The client's processes, which have ended.
        plan: What the client was asked to do.
        events: Its log; None: there is none that can be read, and the report is of no query.
        out: The run's folder.
        sent_bytes: Size of the bodies of one pass over the dataset.
        key: The endpoints' key, which an error may repeat.

    Raises:
        OSError: the disk takes no more.
    """
    phase = events.performance if events is not None else None
    rows: Records = np.zeros(0, dtype=RECORD_TYPE)
    if phase is not None:
        rows = records_of(phase, answer_tokens(phase, plan.tokenizer))
        write_phase(phase, out, rows, key)
        write_sampled_answers(phase, out)
    failed = request_log.failures(rows)
    cpu_s = sum(process.cost.cpu_s.values())
    return LoadReport(
        issued=len(rows),
        completed=len(rows) - sum(failed.values()),
        failed=failed,
        empty=failed.get("empty", 0),
        aborted=process.aborted,
        requested_qps=plan.target_qps,
        achieved_qps=request_log.achieved_qps(rows),
        schedule_delay=issue_delay(
            phase,
            plan.target_qps if plan.scenario.has_schedule else None,
            plan.round_.endpoints_rules.seeds.scheduler,
        ),
        client_cpu_s=cpu_s,
        client_cpu_us_per_request=cpu_s / max(len(rows), 1) * 1e6,
        client=_client_record(process, phase),
        peak_rss_bytes=process.cost.peak_rss_bytes,
        in_flight=in_flight(rows),
        sent_bytes=round(sent_bytes * len(rows) / plan.round_.samples),
        received_bytes=int(rows["received_bytes"].sum(dtype="int64")),
        started=_utc(process, int(rows["planned_ns"].min()) if len(rows) else None),
        ended=_utc(process, int(rows["end_ns"].max()) if len(rows) else None),
        loadgen_version="",
        settings=_settings(out),
        warnings=tuple(process.warnings),
    )


def _client_record(process: ClientProcess, phase: ClientPhase | None) -> ClientRecord:
    return ClientRecord(
        busy={name: round(share, 4) for name, share in process.cost.busy.items()},
        receive_backlog=None,
        wake_delay=None,
        answered_by_worker=answered_by_worker(phase),
    )


def _utc(process: ClientProcess, at_ns: int | None) -> str:
    """Return a moment on the clock of the events as UTC; without one, the end of the processes."""
    at = (
        process.ended
        if at_ns is None
        else datetime.now(UTC) - timedelta(seconds=(monotonic_ns() - at_ns) / 1e9)
    )
    return at.isoformat(timespec="milliseconds")


def _settings(out: Path) -> dict[str, float | int | str | bool]:
    """Return the client's effective settings that matter to a reader of run.json."""
    path = client_folder(out) / WRITTEN_CONFIG
    if not path.is_file():
        return {}
    config = WrittenConfig.read(path)
    runtime, pattern = config.settings.runtime, config.settings.load_pattern
    shown = {
        "type": config.type,
        "load_pattern": pattern.type,
        "target_qps": pattern.target_qps,
        "streaming": config.streams,
        "max_new_tokens": config.model_params.max_new_tokens,
        "min_duration_ms": runtime.min_duration_ms,
        "n_samples_to_issue": runtime.n_samples_to_issue,
        "scheduler_random_seed": runtime.scheduler_random_seed,
        "dataloader_random_seed": runtime.dataloader_random_seed,
    }
    return {name: value for name, value in shown.items() if value is not None}
