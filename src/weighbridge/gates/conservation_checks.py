"""Check that no request of a run was lost, doubled or changed: every record of it counts the same."""

import json
from collections import Counter
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from weighbridge.client.frames import RequestOutcome
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import LatencyMetric, Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular
from weighbridge.gates.performance_figures import Performance, samples_per_s
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.token_record_checks import token_record_checks
from weighbridge.loadgen.logs import DetailLog, has_answers, read_answer_sizes
from weighbridge.records.run_record import ANSWERS, ERRORS_FILE, REQUESTS_TABLE, RunRecord
from weighbridge.records.verdict import Check, Gate

_REPEAT = "Records of this run are lost or were changed; repeat it."
_UNREADABLE = "not readable"


def conservation_checks(
    folder: Path,
    log: DetailLog,
    record: RunRecord,
    rows: RequestRows | None,
    mode: Mode,
    round_: Round,
    scenario: ScenarioRules,
) -> list[Check]:
    """Check the counts of one run against each other; what was not recorded is unknown where rules hold.

    Args:
        folder: The run's folder.
        log: Its detail log.
        record: Its run.json.
        rows: Its requests.parquet; None: there is none.
        mode: Its mode.
        round_: The round.
        scenario: Its scenario.

    Raises:
        InputError: errors.jsonl cannot be read.
    """
    gate = Gate(mode)
    load = record.load
    if mode is Mode.PERFORMANCE:
        counted = Performance.of(log, scenario).queries
        gate.equals("requests counted by LoadGen", counted, load.issued, _REPEAT)
    if mode is Mode.ACCURACY or record.compliance_test is not None:
        _answers_logged(gate, folder / ANSWERS, record, rows)
    record_conservation(gate, folder, record, rows, mode, round_)
    _bodies(gate, record, round_)
    if rows is not None and mode is Mode.PERFORMANCE:
        _as_timed(gate, log, rows, scenario)
        if round_.loadgen_rules.token_latencies:
            token_record_checks(gate, log, rows, round_, scenario)
    return gate.checks


def record_conservation(
    gate: Gate, folder: Path, record: RunRecord, rows: RequestRows | None, mode: Mode, round_: Round
) -> None:
    """Check the counts of a run's own records against each other, whatever issued its requests.

    Args:
        gate: Takes the checks.
        folder: The run's folder.
        record: Its run.json.
        rows: Its requests.parquet; None: there is none.
        mode: Its mode.
        round_: The round as it holds for the run's scenario.

    Raises:
        InputError: errors.jsonl cannot be read.
    """
    load = record.load
    gate.holds(
        "every request accounted for",
        f"{load.issued} issued, {load.completed} completed, {load.failures} failed",
        "issued = completed + failed, and not nothing",
        load.issued == load.completed + load.failures and load.completed > 0,
        _REPEAT,
    )
    _errors_told(gate, folder, record, round_)
    if rows is not None:
        _rows_agree(gate, record, rows)
        _samples(gate, rows, mode, round_)
    elif round_.held_to_rules:
        gate.unknown(
            "requests recorded", f"{load.issued} rows", f"{folder / REQUESTS_TABLE} is missing; restore it."
        )


def _errors_told(gate: Gate, folder: Path, record: RunRecord, round_: Round) -> None:
    """Check that each failure has its line in errors.jsonl; those of an abort have none."""
    path = folder / ERRORS_FILE
    recorded = _without_aborted(record.load.failed)
    name, limit = "failures as in errors.jsonl", _listed(recorded)
    if path.is_file():
        told = _without_aborted(_errors_by_kind(path))
        gate.holds(name, _listed(told), limit, told == recorded, _REPEAT)
    elif round_.held_to_rules:
        gate.unknown(name, limit, f"{path} is missing; restore it.")


def _errors_by_kind(path: Path) -> Counter[str]:
    """Count the lines of errors.jsonl by kind; the reason of an abort names no sample and is left out."""
    kinds: Counter[str] = Counter()
    try:
        with TextIOWrapper(open_regular(path), encoding="utf-8", errors="replace") as lines:
            for line in lines:
                kinds.update(_kind_told(line))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    return kinds


def _kind_told(line: str) -> list[str]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return [_UNREADABLE]
    if not isinstance(entry, dict):
        return [_UNREADABLE]
    kind = str(entry.get("kind"))
    return [] if kind == RequestOutcome.ABORTED.label and "sample" not in entry else [kind]


def _without_aborted(kinds: Mapping[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in kinds.items() if count and kind != RequestOutcome.ABORTED.label}


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"


def _bodies(gate: Gate, record: RunRecord, round_: Round) -> None:
    name = "requests sent as stored"
    if record.sent_sha256 is not None:
        gate.equals(
            name,
            record.sent_sha256,
            record.store_sha256,
            "The request store changed before or during the run; build it again, and repeat both runs.",
        )
    elif round_.held_to_rules:
        gate.unknown(name, record.store_sha256, "This run did not record what it sent; repeat it.")


def _rows_agree(gate: Gate, record: RunRecord, rows: RequestRows) -> None:
    load, failed = record.load, rows.failed
    recorded = {kind: count for kind, count in load.failed.items() if count}
    gate.equals("requests recorded", len(rows), load.issued, _REPEAT)
    gate.holds(
        "outcomes recorded",
        f"{int(rows.completed.sum())} ok, {_listed(failed)} failed",
        f"{load.completed} ok, {_listed(recorded)} failed",
        failed == recorded and int(rows.completed.sum()) == load.completed,
        _REPEAT,
    )


def _samples(gate: Gate, rows: RequestRows, mode: Mode, round_: Round) -> None:
    """Check that each sample was asked as often as LoadGen must issue it.

    An accuracy run issues each once. A performance run of whole passes concatenates permutations of all
    samples, so each is issued equally often; without whole passes LoadGen draws them at random.
    """
    samples = rows.sample
    inside = len(samples) > 0 and int(samples.min()) >= 0 and int(samples.max()) < round_.samples
    if not inside:
        limit = f"samples 0 to {round_.samples - 1}"
        gate.holds("samples as issued", "others, or none", limit, False, _REPEAT)
        return
    times = np.bincount(samples, minlength=round_.samples)
    fewest, most = int(times.min()), int(times.max())
    value = f"{fewest} times" if fewest == most else f"{fewest} to {most} times"
    if mode is Mode.ACCURACY:
        gate.holds("samples as issued", value, "each once", fewest == most == 1, _REPEAT)
    elif round_.loadgen is None or round_.loadgen.whole_passes:  # the official client issues no parts of one
        limit = "each equally often"
        gate.holds("samples as issued", value, limit, fewest == most, _REPEAT)


def _answers_logged(gate: Gate, path: Path, record: RunRecord, rows: RequestRows | None) -> None:
    """Check that LoadGen logged as many answers as it issued, and those that the client received."""
    counted, received = "answers counted by LoadGen", "answers as received"
    limit = "the sizes that the client recorded"
    if not has_answers(path):
        for name, wanted in ((counted, str(record.load.issued)), (received, limit)):
            gate.unknown(name, wanted, f"{path} is missing or truncated; judge with the original.")
        return
    try:
        logged = read_answer_sizes(path)
    except InputError as error:
        gate.holds(counted, _UNREADABLE, str(record.load.issued), False, str(error))
        return
    gate.equals(counted, len(logged), record.load.issued, _REPEAT)
    if rows is None:
        return
    sizes = np.where(rows.completed, rows.payload_bytes, 0)
    client = Counter(zip(rows.sample.tolist(), sizes.tolist(), strict=True))
    remedy = f"{path} has other answers than this run received; restore it, or repeat the run."
    differing = sum((Counter(logged) - client).values()) + sum((client - Counter(logged)).values())
    gate.holds(received, f"{differing} differ", limit, differing == 0, remedy)


# LoadGen logs six digits; clocks of one machine that differ more than this would be a defect of it.
_DIGITS = 1e-3
_TICK_NS = 1_000_000


def _as_timed(gate: Gate, log: DetailLog, rows: RequestRows, scenario: ScenarioRules) -> None:
    """Check that LoadGen's figures are not better than what the client recorded of the same requests.

    LoadGen counts a request from before it reaches the client until after the client has its answer, so no
    latency of LoadGen's can be smaller, and no rate higher, than the client's own.
    """
    done = rows.completed
    latencies = (rows.end_ns - rows.planned_ns)[done]
    numbers = Performance.of(log, scenario)
    if not len(latencies):
        return
    remedy = "The client's records contradict LoadGen's log: one of them was altered; repeat the run."
    logged = {0.5: numbers.p50_latency_s, 0.99: numbers.p99_latency_s}
    if isinstance(scenario.metric, LatencyMetric):
        logged[scenario.metric.latency_percentile] = numbers.rate
    for percentile, logged_s in logged.items():
        own_ns = float(np.quantile(latencies, percentile, method="lower"))
        least_s = max(own_ns * (1 - _DIGITS) - _TICK_NS, 0) / 1e9
        name = f"{100 * percentile:g}th percentile as recorded"
        gate.at_least(name, logged_s, least_s, "s", remedy)
    planned, ended = rows.planned_ns[done], rows.end_ns[done]
    # With a schedule, LoadGen counts to the end of the query that it issued last, though others end later.
    last = ended.max() if scenario.offline else ended[planned == planned.max()].min()
    span_s = (int(last) - int(planned.min()) - _TICK_NS) / 1e9
    rate = samples_per_s(log, scenario)
    if rate is not None and not isinstance(scenario.metric, LatencyMetric) and span_s > 0:
        most = len(latencies) / span_s * (1 + _DIGITS)
        unit = "samples/s" if scenario.metric == "tokens/s" else scenario.metric
        gate.at_most("rate as recorded", rate, most, unit, remedy)
