"""What the LoadGen process and its workers say to each other, byte by byte.

LoadGen to worker: ISSUE records, back to back. Worker to LoadGen: frames, each a HEADER, then its records,
then their payloads in the same order. Structs instead of pickles: a batch of a thousand completions costs one
system call and no object but the tuples that are looked at.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

ISSUE = struct.Struct("<QI4xq")
"""LoadGen's id of the sample, its index, and when LoadGen issued it (monotonic ns)."""

HEADER = struct.Struct("<B3xII")
"""Message, bytes of records, bytes of payloads."""

RECORD = struct.Struct("<QIIIiHBBI5q")
"""One finished request; the fields of `Record`."""


class Message(IntEnum):
    """What a frame holds."""

    DONE = 1
    """Records of finished requests. Payload: the answer's text, or a failure's evidence."""
    FIRST_TOKEN = 2
    """Records of requests whose first content came. Payload: that content."""
    GIVE_UP = 3
    """No records. Payload: why the run cannot go on."""
    READY = 4
    """Nothing else. A worker's first frame: it can take numbers."""


class Kind(IntEnum):
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

    @property
    def label(self) -> str:
        """The name in reports and in errors.jsonl."""
        return self.name.lower()


class Record(NamedTuple):
    """One finished request. Times are monotonic nanoseconds, 0 where the request did not come that far."""

    id: int
    sample: int
    payload_bytes: int
    received_bytes: int
    tokens: int
    status: int
    kind: int
    worker: int
    endpoint: int
    planned_ns: int
    sent_ns: int
    first_ns: int
    last_ns: int
    end_ns: int
