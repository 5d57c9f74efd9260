"""What a run's driver process and its workers exchange: the worker's job, and binary records.

Driver to worker: ISSUE records, back to back. Worker to driver: frames, each a HEADER, then its records, then
their payloads in the same order. Structs instead of pickles: a batch of a thousand completions costs one
system call and no object but the tuples that are looked at.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import msgspec

from weighbridge.core.openai_api import AnswerKind, Api

ISSUE = struct.Struct("<QI4xq")
"""The driver's id of the request, the sample's index, and when the driver issued it (monotonic ns)."""

OPEN_EARLY = ISSUE.pack((1 << 64) - 1, (1 << 32) - 1, 0)
"""Takes the place of the first ISSUE: open the job's early connections, and be READY once more."""

HEADER = struct.Struct("<B3xII")
"""Message, bytes of records, bytes of payloads."""

FIRST = struct.Struct("<QI")
"""A stream that has begun: the driver's id of the request, and the bytes of its first content."""

BEGUN = struct.Struct("<Q")
"""How many streams of a worker have begun to answer so far."""

RECORD = struct.Struct("<QIIIiHBBIiBB6qiI")
"""One finished request; the fields of `Record`."""


class WorkerJob(msgspec.Struct, frozen=True):
    """What a worker process is started with, as JSON in its only argument.

    Attributes:
        model: The name that the stored requests ask for; an answer by another model is a failure.
        nonce: What the ids of the run's requests start with, and no other run's.
        first_tokens: Whether the driver counts first tokens.
        answers: What of an answer is sent to the driver.
        before, after: What is sent before and after each stored body, or the part of it.
        cut_start, cut_end: How many bytes of a stored body are left out at its start and at its end.
        early_connections: How many to open when the driver says so, before the clock.
        parent: Process id of the process that starts it, with which it ends.
    """

    number: int
    store: str
    endpoints: list[str]
    api: Api
    model: str
    nonce: str
    api_key_env: str | None
    connections: int
    connect_timeout_s: float
    request_timeout_s: float
    stream: bool
    first_tokens: bool = False
    early_connections: int = 0
    answers: AnswerKind = AnswerKind.TEXT
    before: str = ""
    after: str = ""
    cut_start: int = 0
    cut_end: int = 0
    control_fd: int = -1
    parent: int = -1


class DriverJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that issues the requests is started with; each kind of driver adds fields.

    Attributes:
        out: The run's folder, in which the process runs.
        records: File for the RECORD of every outcome.
        errors: File for the failures, one JSON object a line.
        endpoints: URLs, in the order that numbers them.
        first_tokens: Whether it counts first tokens, which the workers then send.
        in_flight: How many requests are certain to be in flight at once soon after its clock starts.
        parent: Id of the process that starts it, without which it must not live.
        control_fd: Its socket to that process.
        worker_fds: Its sockets to the workers.
    """

    out: str
    records: str
    errors: str
    endpoints: list[str]
    first_tokens: bool = False
    in_flight: int = 0
    parent: int = -1
    control_fd: int = -1
    worker_fds: list[int] = []


class Driver(NamedTuple):
    """The process that decides when each request is issued.

    Attributes:
        name: Its key in run.json, such as loadgen.
        title: As people call it, such as LoadGen.
        module: Run with `python -m`; it reads its job, as JSON, from its only argument.
        job: What it is started with.
    """

    name: str
    title: str
    module: str
    job: DriverJob


class Message(IntEnum):
    """What a frame holds."""

    DONE = 1
    """Records of finished requests. Payload: the answer's bytes (AnswerKind), or a failure's evidence."""
    FIRST_TOKEN = 2
    """FIRST records, sent only where the driver counts first tokens. Payload: that content."""
    GIVE_UP = 3
    """No records. Payload: why the run cannot go on."""
    READY = 4
    """Nothing else. A worker's first frame: it can take numbers."""
    ALIVE = 5
    """BEGUN. Once a second: the worker is neither stopped nor stuck."""
    BACKLOG = 6
    """No records. Payload: how late the worker has read what arrived, since its start; ten times a second."""


class RequestOutcome(IntEnum):
    """How a request ended; all but OK are failures."""

    OK = 0
    HTTP_STATUS = 1
    CONNECT = 2
    RESET = 3
    TIMEOUT = 4
    MALFORMED = 5
    EMPTY = 6
    NULL_CONTENT = 7
    MISSING_USAGE = 8
    ABORTED = 9
    OTHER_MODEL = 10
    """Answered by another model than was asked for."""
    OTHER_REQUEST = 11
    """The answer carries the id of another request."""
    IMPOSSIBLE_USAGE = 12
    """Below one token, or more than a 32-bit number holds."""
    BLANK = 13
    """White space alone."""
    NO_TOKEN_IDS = 14
    """Token ids were asked for, and the answer has none."""
    OTHER_TOKEN_COUNT = 15
    """The answer has another number of token ids than of tokens, as it says."""

    @property
    def label(self) -> str:
        """The name in reports and in errors.jsonl."""
        return self.name.lower()


def faults(failed: Mapping[str, int]) -> dict[str, int]:
    """Return the failed requests by kind, without those that were only ended with their run."""
    return {kind: count for kind, count in failed.items() if kind != RequestOutcome.ABORTED.label}


class FinishReason(IntEnum):
    """Why a server ended an answer, as it says."""

    NOT_TOLD = 0
    STOP = 1
    LENGTH = 2
    OTHER = 3

    @property
    def label(self) -> str:
        """The name in requests.parquet."""
        return self.name.lower()


class Record(NamedTuple):
    """One finished request. Times are monotonic nanoseconds, 0 where the request did not come that far.

    `prompt_tokens` is 0 where the server does not tell it. `id_echoed` is 1 where the answer carries the id
    that its request sent, 0 where the server uses ids of its own. `first_ns` and `last_ns` are of content,
    `first_byte_ns` of the response. `cached_tokens` of the prompt is -1 where the server does not tell it.
    `chunks` are the parts of the answer with content: 1 where it is not streamed, 0 of a failure.
    """

    id: int
    sample: int
    payload_bytes: int
    received_bytes: int
    tokens: int
    status: int
    outcome: int
    worker: int
    endpoint: int
    prompt_tokens: int
    finish: int
    id_echoed: int
    planned_ns: int
    sent_ns: int
    first_ns: int
    last_ns: int
    end_ns: int
    first_byte_ns: int
    cached_tokens: int
    chunks: int
