"""A phase of the official client as the files that every run has: its requests, failures and answers."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from secrets import SystemRandom

import msgspec
import numpy as np

from weighbridge.client.answer_sample import share_of
from weighbridge.client.frames import FinishReason, RequestOutcome
from weighbridge.client.request_log import RECORD_TYPE, Records, write_parquet
from weighbridge.core.files import write_atomic
from weighbridge.core.secrets import mask
from weighbridge.endpoints.events import ClientPhase
from weighbridge.records.official_client import PHASE_ANSWERS
from weighbridge.records.run_record import ERRORS_FILE, REQUESTS_TABLE, SAMPLED_ANSWERS

_STATUS = re.compile(r"\b(?:HTTP|status)\D{0,10}([45]\d\d)\b", re.IGNORECASE)
# How the client's kinds of error are called here; the words of its messages tell the others.
_KINDS = (
    (re.compile(r"time[d ]*out", re.IGNORECASE), RequestOutcome.TIMEOUT),
    (re.compile(r"refused|cannot connect|connect call failed", re.IGNORECASE), RequestOutcome.CONNECT),
    (re.compile(r"reset|closed|broken pipe|disconnect|eof", re.IGNORECASE), RequestOutcome.RESET),
    (re.compile(r"cancel|abort|shut ?down|stopped", re.IGNORECASE), RequestOutcome.ABORTED),
)
_FINISH = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH, "": FinishReason.NOT_TOLD}
_NOT_KNOWN = 255  # the worker of a query that never came back


def records_of(phase: ClientPhase, tokens: Sequence[int] | None = None) -> Records:
    """Return the queries of a phase in the form of our own request log, those that never ended included.

    The client's latency counts from its issue, so that is when a query was planned and sent; what our own
    client knows beyond that stays 0.

    Args:
        phase: The phase.
        tokens: Of each answer, in the phase's order; None: not counted.
    """
    count = len(phase)
    rows: Records = np.zeros(count, dtype=RECORD_TYPE)
    sizes = [len((text or "").encode()) for text in phase.texts]
    rows["id"] = np.arange(count)
    rows["sample"] = phase.sample
    rows["payload_bytes"] = rows["received_bytes"] = sizes
    rows["tokens"] = 0 if tokens is None else tokens
    rows["worker"] = np.where(phase.worker < 0, _NOT_KNOWN, phase.worker)
    rows["planned_ns"] = rows["sent_ns"] = phase.issued_ns
    rows["first_ns"] = np.where(phase.first_ns > 0, phase.first_ns, phase.end_ns)
    rows["last_ns"] = rows["end_ns"] = phase.end_ns
    rows["cached_tokens"] = -1
    rows["chunks"] = phase.chunks
    rows["finish"] = [_FINISH.get(reason, FinishReason.OTHER) for reason in phase.finish]
    rows["outcome"] = np.where(phase.end_ns > 0, RequestOutcome.OK, RequestOutcome.ABORTED)
    for place, text in enumerate(phase.texts):
        if phase.end_ns[place] > 0 and not (text or "").strip():
            rows["outcome"][place] = RequestOutcome.BLANK if text else RequestOutcome.EMPTY
    for place, error in phase.errors.items():
        outcome, status = _outcome(error)
        rows["outcome"][place], rows["status"][place] = outcome, status
    return rows


def _outcome(error: tuple[str, str]) -> tuple[RequestOutcome, int]:
    """Return what became of a query that the client calls failed, and its HTTP status; 0: none is known."""
    said = " ".join(error)
    if found := _STATUS.search(said):
        return RequestOutcome.HTTP_STATUS, int(found[1])
    kinds = (kind for pattern, kind in _KINDS if pattern.search(said))
    return next(kinds, RequestOutcome.MALFORMED), 0


def write_phase(phase: ClientPhase, out: Path, rows: Records, key: str | None) -> None:
    """Write a phase's requests.parquet and errors.jsonl.

    Args:
        phase: The phase.
        out: The run's folder.
        rows: The phase's queries, from `records_of`.
        key: The endpoints' key, which an error may repeat.

    Raises:
        OSError: the disk takes no more.
    """
    write_parquet(rows, out / REQUESTS_TABLE)
    lines = []
    for place in np.flatnonzero(rows["outcome"] != RequestOutcome.OK):
        row = rows[place]
        kind, message = phase.errors.get(int(place), ("", ""))
        entry = {
            "sample": int(row["sample"]),
            "kind": RequestOutcome(int(row["outcome"])).label,
            "status": int(row["status"]) or None,
            "evidence": mask(f"{kind}: {message}".strip(": "), [key]),
        }
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    write_atomic(out / ERRORS_FILE, "".join(lines))


def write_sampled_answers(phase: ClientPhase, out: Path) -> None:
    """Write a random share of a performance phase's answers, as our own client keeps them.

    Raises:
        OSError: the disk takes no more.
    """
    answered = [int(place) for place in np.flatnonzero(phase.succeeded) if phase.texts[place]]
    wanted = math.ceil(share_of(len(answered)) * len(answered))
    kept = sorted(SystemRandom().sample(answered, wanted))
    _write_answers(phase, kept, out / SAMPLED_ANSWERS)


def write_answers(phase: ClientPhase, out: Path) -> None:
    """Write all answers of an accuracy phase, in the order in which they came; failed queries have none.

    Raises:
        OSError: the disk takes no more.
    """
    order = np.argsort(phase.end_ns, kind="stable")
    ended = [int(place) for place in order if phase.end_ns[place] > 0 and int(place) not in phase.errors]
    _write_answers(phase, ended, out / PHASE_ANSWERS)


def _write_answers(phase: ClientPhase, places: Sequence[int], path: Path) -> None:
    lines = (
        msgspec.json.encode({"sample": int(phase.sample[place]), "text": phase.texts[place] or ""})
        for place in places
    )
    write_atomic(path, b"".join(line + b"\n" for line in lines).decode())
