"""Tables of requests as the client of a sweep writes them, made by hand or by a queue."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weighbridge.client.conversation_schedule import TURN_BITS
from weighbridge.records.run_record import ClientRecord, Delay, LoadReport
from weighbridge.requests.turns import TURN_TYPE, RunPhase, Turns

WARMUP, MEASURED, COOLDOWN = RunPhase.WARMUP, RunPhase.MEASURED, RunPhase.COOLDOWN
_NS = 1e9
_START_NS = 5_000_000_000_000  # any time after boot


@dataclass
class Sent:
    """One request: times in s since the start of the run.

    Attributes:
        cached: Prompt tokens from caches; -1: not reported.
        late: From due time, or decision, to sending.
        lap: How often its conversation was repeated.
    """

    conversation: int
    start: float
    end: float
    turn: int = 0
    first: float | None = None
    last: float | None = None
    tokens: int = 10
    target: int = 10
    prompt: int = 100
    cached: int = -1
    chunks: int = 5
    late: float = 0.0
    outcome: str = "ok"
    lap: int = 0


def turns_of(phases: Sequence[int], turns: int = 1, **fields: Any) -> Turns:
    """Return the turns of conversations of these phases, each with so many turns."""
    made = np.zeros(len(phases) * turns, dtype=TURN_TYPE)
    made["request"] = 40 + np.arange(len(made))  # the slice begins somewhere in the store
    made["conversation"] = np.repeat(np.arange(len(phases)), turns)
    made["turn"] = np.tile(np.arange(turns), len(phases))
    made["phase"] = np.repeat(phases, turns)
    made["target_tokens"] = 10
    for name, value in fields.items():
        made[name] = value
    return made


def table_of(sent: Sequence[Sent], turns: Turns) -> pa.Table:
    """Return the table of these requests, in the order of their ends, as the client writes it."""
    per = int(turns["turn"].max()) + 1
    conversations = len(turns) // per
    ordered = sorted(sent, key=lambda each: each.end)
    firsts = [each.end - 0.1 if each.first is None else each.first for each in ordered]
    lasts = [each.end if each.last is None else each.last for each in ordered]
    columns = {
        "number": [
            (each.conversation + each.lap * conversations << TURN_BITS) + each.turn for each in ordered
        ],
        "sample": [int(turns["request"][each.conversation * per + each.turn]) for each in ordered],
        "planned_ns": [_ns(each.start - each.late) for each in ordered],
        "sent_ns": [_ns(each.start) for each in ordered],
        "first_ns": [_ns(first) for first in firsts],
        "last_ns": [_ns(last) for last in lasts],
        "end_ns": [_ns(each.end) for each in ordered],
        "tokens": [each.tokens if each.outcome == "ok" else 0 for each in ordered],
        "prompt_tokens": [each.prompt if each.outcome == "ok" else 0 for each in ordered],
        "cached_tokens": [each.cached for each in ordered],
        "chunks": [each.chunks for each in ordered],
        "outcome": [each.outcome for each in ordered],
    }
    return pa.table(columns)


def _ns(seconds: float) -> int:
    return _START_NS + round(seconds * _NS)


def queued(
    arrivals: NDArray[np.float64] | int, service_s: NDArray[np.float64], servers: int
) -> list[tuple[float, float]]:
    """Return start and end of each request of a first-come queue.

    Args:
        arrivals: Times of arrival, or the number of requests that a closed loop keeps going.
        service_s: Of each request, in the order of issue.
        servers: How many are served at once.
    """
    free = [0.0] * servers
    lanes = [0.0] * arrivals if isinstance(arrivals, int) else []
    spans = []
    for place, service in enumerate(service_s):
        start = heapq.heappop(lanes) if lanes else float(arrivals[place])  # type: ignore[index]
        end = max(heapq.heappop(free), start) + float(service)
        heapq.heappush(free, end)
        if isinstance(arrivals, int):
            heapq.heappush(lanes, end)
        spans.append((start, end))
    return spans


def load_report(**changed: Any) -> LoadReport:
    """Return the report of a client that was not the limit."""
    record = {
        "issued": 100,
        "completed": 100,
        "failed": {},
        "empty": 0,
        "requested_qps": 10.0,
        "achieved_qps": 10.0,
        "schedule_delay": Delay(p50_s=0, p99_s=0, max_s=0),
        "client_cpu_s": 1.0,
        "client_cpu_us_per_request": 100.0,
        "client": ClientRecord(
            busy={"issuer": 0.1, "worker 0": 0.2},
            receive_backlog=None,
            wake_delay=None,
            answered_by_worker=(100,),
        ),
        "peak_rss_bytes": {},
        "in_flight": (),
        "sent_bytes": 0,
        "received_bytes": 0,
        "started": "2026-01-01T00:00:00Z",
        "ended": "2026-01-01T00:01:00Z",
        "loadgen_version": "",
        "settings": {},
    }
    return LoadReport.model_validate(record | changed)
