"""Read files of JSON lines one line at a time, so that their size does not matter."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular

LARGEST_LINE = 16 << 20


def json_lines(path: Path) -> Iterator[tuple[int, int, Any]]:
    """Yield each line's number, from 1, its offset in the file, and its value; blank lines are left out.

    Raises:
        InputError: the file cannot be read, or a line is no JSON or too long; the message has its number.
    """
    try:
        with open_regular(path) as stream:
            number, offset = 0, 0
            while line := stream.readline(LARGEST_LINE + 1):
                number += 1
                if line.strip():
                    yield number, offset, parse_line(line, path, number)
                offset += len(line)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None


def parse_line(line: bytes, path: Path, number: int) -> Any:
    """Return a line's value; otherwise as `json_lines`."""
    if len(line) > LARGEST_LINE:
        raise InputError(f"{path}: line {number} is longer than {LARGEST_LINE >> 20} MiB; remove it.")
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: line {number} is no JSON ({error}); correct or remove it.") from None
