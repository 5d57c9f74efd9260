"""Answers that LoadGen logged as token ids: all of an answer's ids, its first ones, and their number."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular

TOKEN_TYPE = np.dtype("<i4")
"""How an id is written: 32 bits, the lowest first."""
_WIDE_TYPE = np.dtype("<i8")  # as some other harnesses write it, which the official script can be told

Ids = NDArray[np.integer[Any]]


class _Entry(msgspec.Struct):
    seq_id: int
    qsl_idx: int
    data: str
    token_count: int
    token_data: str = ""


@dataclass(frozen=True)
class LoggedTokens:
    """One logged answer.

    Attributes:
        query: Number of its query in the run.
        sample: Number of its sample.
        ids: All its ids, shape (n,).
        first: The ids that were reported first, shape (m,); empty if none were.
        count: The number of ids that was reported.
    """

    query: int
    sample: int
    ids: Ids
    first: Ids
    count: int


def read_logged_tokens(path: Path, *, foreign: bool = False) -> list[LoggedTokens]:
    """Read an accuracy log whose answers are token ids, in its order.

    Args:
        path: The log.
        foreign: Another harness may have written it, with ids of 64 bits: it did if all answers then have the
            length that was reported.

    Raises:
        InputError: the log is missing, cut off or altered, or an answer is no list of ids.
    """
    try:
        with open_regular(path) as stream:
            entries = msgspec.json.decode(stream.read(), type=list[_Entry])
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); has the run ended?") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).rstrip(".")
        raise InputError(f"{path}: is no log of answers with their tokens ({reason}).") from None
    digits = 2 * _WIDE_TYPE.itemsize
    wide = foreign and entries and all(len(each.data) == digits * each.token_count for each in entries)
    kind = _WIDE_TYPE if wide else TOKEN_TYPE
    return [
        LoggedTokens(
            query=entry.seq_id,
            sample=entry.qsl_idx,
            ids=_ids(entry.data, kind, entry, path),
            first=_ids(entry.token_data, kind, entry, path),
            count=entry.token_count,
        )
        for entry in entries
    ]


def _ids(text: str, kind: np.dtype[Any], entry: _Entry, path: Path) -> Ids:
    try:
        return np.frombuffer(bytes.fromhex(text), dtype=kind)
    except ValueError:
        raise InputError(
            f"{path}: the answer to sample {entry.qsl_idx} is no list of ids of {kind.itemsize} bytes each."
        ) from None
