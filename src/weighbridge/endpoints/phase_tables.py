"""A phase of the official client as the files that every run has: its requests, failures and answers."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from secrets import SystemRandom

import numpy as np
from numpy.typing import NDArray

from weighbridge.benchmarks.model_tokenizer import ModelTokenizer
from weighbridge.client.answer_sample import WANTED
from weighbridge.client.frames import FinishReason, RequestOutcome
from weighbridge.client.kept_answers import write_kept_answers
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
# What the client does not call a failure, in words.
_UNTOLD = {
    RequestOutcome.RESET: "The answer has no finish_reason, as others have: its connection broke.",
    RequestOutcome.EMPTY: "The answer has no text.",
    RequestOutcome.BLANK: "The answer is white space alone.",
    RequestOutcome.ABORTED: "The client ended before the answer came.",
}
_TEXTS_AT_ONCE = 4096


def answer_tokens(phase: ClientPhase, model: Path) -> NDArray[np.int64]:
    """Return the tokens of each answer of a phase by the model's tokenizer, shape (n,).

    Without those that it would add around an answer, as the client counts; 0 where there is no answer.

    Args:
        phase: The phase.
        model: Folder of the model.

    Raises:
        InputError: the tokenizer cannot be read, or the log was changed since it was read.
    """
    tokenizer, counts = ModelTokenizer(model), np.zeros(len(phase), dtype=np.int64)
    answered = np.flatnonzero(phase.text_bytes > 0)
    for start in range(0, len(answered), _TEXTS_AT_ONCE):
        places = answered[start : start + _TEXTS_AT_ONCE]
        counts[places] = [len(ids) for ids in tokenizer.encode(list(phase.texts(places.tolist())))]
    return counts


def records_of(phase: ClientPhase, tokens: Sequence[int] | NDArray[np.int64] | None = None) -> Records:
    """Return the queries of a phase in the form of our own request log, in the order of their ends.

    The client's latency counts from its issue, so that is when a query was planned and sent; what our own
    client knows beyond that stays 0. Queries that never ended come last. The number of a query is its place
    in the phase. What the client takes for an answer and is none, because it is empty or was cut off, is a
    failure here.

    Args:
        phase: The phase.
        tokens: Of each answer, in the phase's order; None: not counted.
    """
    rows: Records = np.zeros(len(phase), dtype=RECORD_TYPE)
    ended = phase.end_ns > 0
    rows["id"] = np.arange(len(phase))
    rows["sample"] = phase.sample
    rows["payload_bytes"] = rows["received_bytes"] = phase.text_bytes
    rows["tokens"] = 0 if tokens is None else tokens
    rows["worker"] = np.where(phase.worker < 0, _NOT_KNOWN, phase.worker)
    rows["planned_ns"] = rows["sent_ns"] = phase.issued_ns
    rows["first_ns"] = np.where(phase.first_ns > 0, phase.first_ns, phase.end_ns)
    rows["last_ns"] = rows["end_ns"] = phase.end_ns
    rows["cached_tokens"] = -1
    rows["chunks"] = phase.chunks
    rows["finish"] = [_FINISH.get(reason, FinishReason.OTHER) for reason in phase.finish]
    rows["outcome"] = np.where(ended, RequestOutcome.OK, RequestOutcome.ABORTED)
    rows["outcome"][phase.cut_off] = RequestOutcome.RESET
    rows["outcome"][ended & phase.blank] = RequestOutcome.BLANK
    rows["outcome"][ended & (phase.text_bytes == 0)] = RequestOutcome.EMPTY
    for place, error in phase.errors.items():
        rows["outcome"][place], rows["status"][place] = _outcome(error)
    return rows[np.lexsort((rows["end_ns"], ~ended))]


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
    for row in rows[rows["outcome"] != RequestOutcome.OK]:
        outcome = RequestOutcome(int(row["outcome"]))
        told = phase.errors.get(int(row["id"]))
        entry = {
            "sample": int(row["sample"]),
            "kind": outcome.label,
            "status": int(row["status"]) or None,
            "evidence": mask(": ".join(told) if told else _UNTOLD[outcome], [key]),
        }
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    write_atomic(out / ERRORS_FILE, "".join(lines), private=True)


def write_sampled_answers(phase: ClientPhase, out: Path) -> None:
    """Write a random share of a performance phase's answers, as our own client keeps them.

    Raises:
        InputError: the log was changed since it was read.
        OSError: the disk takes no more.
    """
    answered = np.flatnonzero(phase.answered).tolist()
    kept = SystemRandom().sample(answered, min(len(answered), WANTED))
    _write(phase, sorted(kept), out / SAMPLED_ANSWERS)


def write_answers(phase: ClientPhase, out: Path) -> None:
    """Write all answers of an accuracy phase, in the order in which they came; those of failures are empty.

    Raises:
        InputError: the log was changed since it was read.
        OSError: the disk takes no more.
    """
    order = np.argsort(phase.end_ns, kind="stable")
    _write(phase, order[phase.end_ns[order] > 0].tolist(), out / PHASE_ANSWERS)


def _write(phase: ClientPhase, places: Sequence[int], path: Path) -> None:
    samples = phase.sample[list(places)].tolist()
    write_kept_answers(path, zip(samples, phase.texts(places), strict=True))
