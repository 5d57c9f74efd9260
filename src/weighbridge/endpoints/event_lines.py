"""The lines of the official client's log of events, and what is in them.

Source: core/record.py and core/types.py in mlcommons/endpoints @ ea332753.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, OSError)
"""What a damaged log raises while it is read and decoded."""

_BLOCK_BYTES = 8 << 20


class EventLine(msgspec.Struct, frozen=True, gc=False):
    """One line of the log; `data` is read only where it counts."""

    event_type: str
    timestamp_ns: int
    sample_uuid: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    finish_reason: str = ""
    worker_id: int = -1


decode_line = msgspec.json.Decoder(EventLine).decode


def lines_of(log: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the place and the bytes of each line that is not empty; the last one may lack its end.

    Raises:
        OSError: the log cannot be read.
    """
    at, rest = 0, b""
    with open_regular(log) as stream:
        while block := stream.read(_BLOCK_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                if line:
                    yield at, line
                at += len(line) + 1
    if rest:
        yield at, rest


def answer_text(data: msgspec.Raw) -> tuple[str, int]:
    """Return the text of an answer and the number of its parts, as the client scores and counts it.

    It is written as [kind, text or parts, reasoning or parts], and the reasoning is a part of the text.
    """
    output: Any = msgspec.json.decode(data)
    if not isinstance(output, list) or output[:1] != ["TextModelOutput"]:
        return "", 0
    parts = [*_parts(output[2:3]), *_parts(output[1:2])]
    return "".join(parts), len(parts)


def _parts(found: list[Any]) -> list[str]:
    whole = found[0] if found else None
    parts = whole if isinstance(whole, list) else [whole]
    return [part for part in parts if isinstance(part, str) and part]


def error_of(data: msgspec.Raw) -> tuple[str, str]:
    """Return kind and message of an error, which is written as [kind of record, kind, message]."""
    error: Any = msgspec.json.decode(data)
    if isinstance(error, list) and len(error) > 1 and error[0] == "ErrorData":
        return str(error[1]), str(error[2]) if len(error) > 2 else ""
    return "unknown", bytes(data[:200]).decode(errors="replace")


def damaged(log: Path, error: Exception) -> InputError:
    """Return the error of a log that cannot be read."""
    return InputError(f"{log}: damaged ({str(error).rstrip('.')}); restore it, or repeat the run.")
