"""Check our own records of the official client's runs against each other and against its log of events."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weighbridge.client.kept_answers import read_kept_answers
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.endpoints.events import ClientPhase, Events
from weighbridge.gates.alike_checks import alike_checks
from weighbridge.gates.answer_checks import answer_checks
from weighbridge.gates.client_checks import busy_checks
from weighbridge.gates.conservation_checks import record_conservation
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.score_checks import ScoredAnswers, sampled_checks
from weighbridge.records.official_client import EVENTS, PHASE_ANSWERS
from weighbridge.records.run_record import ClientRecord, RunRecord
from weighbridge.records.verdict import Check, Gate

_ALTERED = f"The records of this run and {EVENTS} contradict each other: one was altered; repeat the run."
# A text has not always as many tokens as the model made of it.
_COUNTED_WITHIN = 0.1
_FASTER = (
    "The client's own process was out of time, so that what it issued and received waited for it: give it "
    "more or faster cores, or keep other work off them; then repeat the run."
)


def evidence_checks(
    performance: Path | None,
    records: tuple[RunRecord | None, RunRecord | None],
    events: Events | None,
    scored: ScoredAnswers,
    scenario: ScenarioRules,
) -> Iterator[Check]:
    """Check each run's records, and both runs against each other; others' runs have no such records.

    Args:
        performance: Folder of the performance run; None: there is no such run, or it has no result.
        records: run.json of the performance and of the accuracy run; None: there is none.
        events: The client's log of both; None: it is not there, which other checks say.
        scored: The accuracy run's answers.
        scenario: The scenario of both runs.

    Raises:
        InputError: a file of a run is damaged.
    """
    round_ = scored.round_
    yield from scored.checks
    tables: dict[Mode, RequestRows] = {}
    phases = {} if events is None else {Mode.PERFORMANCE: events.performance, Mode.ACCURACY: events.accuracy}
    for folder, record, mode in zip((performance, scored.accuracy), records, Mode, strict=True):
        if folder is None or record is None:
            continue
        gate, rows = Gate(mode), RequestRows.read(folder)
        record_conservation(gate, folder, record, rows, mode, round_)
        if (phase := phases.get(mode)) is not None:
            gate.equals("requests in the log", len(phase), record.load.issued, _ALTERED)
            if rows is not None:
                differing = _differing(rows, phase)
                gate.equals("requests as in the log", f"{differing} differ", "0 differ", _ALTERED)
            if mode is Mode.ACCURACY:
                _answers(gate, folder / PHASE_ANSWERS, phase, round_)
        if mode is Mode.PERFORMANCE:
            busy_checks(gate, _deciding(record.load.client, scenario), round_, _FASTER)
        yield from gate.checks
        if rows is not None:
            tables[mode] = rows
            yield from answer_checks(record, rows, mode, round_, _COUNTED_WITHIN)
    if len(tables) == len(Mode) and performance is not None and records[0] is not None:
        asked = tables[Mode.PERFORMANCE]
        yield from alike_checks(records[0], asked, tables[Mode.ACCURACY], round_)
        yield from sampled_checks(performance, asked, scored)


def busy_of(record: RunRecord, round_: Round, scenario: ScenarioRules) -> list[Check]:
    """Check that the client of a run was not out of time."""
    gate = Gate(record.mode)
    busy_checks(gate, _deciding(record.load.client, scenario), round_, _FASTER)
    return gate.checks


def _deciding(client: ClientRecord | None, scenario: ScenarioRules) -> ClientRecord | None:
    """Return what decides a result of what a client recorded of its processes.

    Offline all queries are issued at once, so the process that issues them is busy for a while, and no worker
    waits for it: they have thousands of queries to send.
    """
    if client is None or not scenario.offline:
        return client
    workers = {name: share for name, share in client.busy.items() if name.startswith("worker")}
    return client.model_copy(update={"busy": workers})


def _differing(rows: RequestRows, phase: ClientPhase) -> int:
    """Return how many requests of requests.parquet are not those of the log: sample, issue and end."""
    if len(rows) != len(phase):
        return max(len(rows), len(phase))
    ours = _ordered(rows.sample, rows.planned_ns, rows.end_ns)
    logged = _ordered(phase.sample, phase.issued_ns, phase.end_ns)
    return int((ours != logged).any(axis=1).sum())


def _ordered(*columns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return requests by their issue, shape (n, columns)."""
    table = np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)
    return table[np.lexsort((table[:, 2], table[:, 0], table[:, 1]))]


def _answers(gate: Gate, path: Path, phase: ClientPhase, round_: Round) -> None:
    """Check that the answers that were scored are those of the log."""
    name, limit = "answers as in the log", "0 differ"
    if not path.is_file():
        if round_.held_to_rules:
            gate.unknown(
                name, limit, f"{path} is missing; write it again with `weighbridge client-accuracy`."
            )
        return
    kept = read_kept_answers(path, round_.samples)
    ended = np.flatnonzero(phase.end_ns > 0).tolist()
    logged = dict(zip(phase.sample[ended].tolist(), phase.texts(ended), strict=True))
    answers = {each.sample: each.text for each in kept}
    differing = {sample for sample, text in answers.items() if logged.get(sample) != text}
    differing |= logged.keys() - answers.keys()
    gate.equals(name, f"{len(differing) + len(kept) - len(answers)} differ", limit, _ALTERED)
