"""LoadGen's files: the detail log, the summary, and the answers of an accuracy run."""

import binascii
import json
from collections.abc import Collection
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from weighbridge.core.errors import InputError
from weighbridge.core.files import open_regular
from weighbridge.records.run_record import ANSWERS, DETAIL, SUMMARY

_LINE_START = ":::MLLOG"
# What the official truncation tool leaves between the first and the last 4096 bytes.
TRUNCATION_MARK = b"\n\n...\n\n"
_SUMMARY_ENDS = (b"encountered during test.\n", b"encountered. See detailed log.\n")

_T = TypeVar("_T")


class _Metadata(msgspec.Struct):
    is_error: bool


class _Entry(msgspec.Struct):
    key: str
    value: msgspec.Raw
    metadata: _Metadata


class DetailLog:
    """A detail log as keys and values.

    LoadGen logs messages repeatedly, but a setting or a result only once. So a key may be repeated, but one
    that is read must have the same value everywhere.
    """

    def __init__(
        self,
        path: Path,
        values: dict[str, msgspec.Raw],
        errors: tuple[str, ...],
        contradicted: Collection[str] = (),
    ) -> None:
        self.path = path
        self.errors = errors
        """What LoadGen logged as errors, each as 'key: value'."""
        self._values = values
        self._contradicted = contradicted

    def get(self, key: str) -> Any:
        """Return a value of any type; None where the key was not logged.

        Raises:
            InputError: the key was logged with different values.
        """
        return self._typed(key, object, "JSON")

    def text(self, key: str) -> str | None:
        """Return a text.

        Raises:
            InputError: the value is of another type.
        """
        return self._typed(key, str, "a text")

    def flag(self, key: str) -> bool | None:
        """Return true or false.

        Raises:
            InputError: the value is of another type.
        """
        return self._typed(key, bool, "true or false")

    def integer(self, key: str) -> int | None:
        """Return a whole number.

        Raises:
            InputError: the value is of another type.
        """
        return self._typed(key, int, "a whole number")

    def count(self, key: str) -> int | None:
        """Return a whole number of things.

        Raises:
            InputError: the value is of another type, or below 0.
        """
        value = self.integer(key)
        if value is not None and value < 0:
            raise InputError(f"{self.path}: '{key}' is {value}, not a count; this log was altered.")
        return value

    def number(self, key: str) -> float | None:
        """Return a number.

        Raises:
            InputError: the value is of another type.
        """
        return self._typed(key, float, "a number")

    def _typed(self, key: str, kind: type[_T], wanted: str) -> _T | None:
        raw = self._values.get(key)
        if raw is None:
            return None
        if key in self._contradicted:
            raise InputError(f"{self.path}: '{key}' is logged with different values; this log was altered.")
        try:
            return msgspec.json.decode(raw, type=kind)
        except msgspec.ValidationError:
            found = bytes(raw)[:40].decode(errors="replace")
            raise InputError(
                f"{self.path}: '{key}' is {found}, not {wanted}; this log was altered."
            ) from None


def read_detail(path: Path) -> DetailLog:
    """Read a detail log.

    Raises:
        InputError: the file is missing, is no LoadGen log, or has a line that was cut off or altered.
    """
    try:
        # Lines end as in Python's text mode, in which the official checkers read.
        lines = StringIO(_bytes_of(path).decode(), newline=None)
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a LoadGen detail log (not UTF-8 text).") from None
    values: dict[str, msgspec.Raw] = {}
    errors = []
    contradicted = set()
    decoder = msgspec.json.Decoder(_Entry)
    for number, line in enumerate(lines, start=1):
        if not line.startswith(_LINE_START):
            if number == 1:
                break
            continue
        try:
            entry = decoder.decode(line[len(_LINE_START) :])
            value = _loaded(entry.value)  # msgspec does not check the inside of a value that it skips
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise InputError(f"{path}: line {number} is cut off or altered; repeat the run.") from None
        first = values.setdefault(entry.key, entry.value)
        if first is not entry.value and _loaded(first) != value:
            contradicted.add(entry.key)
        if entry.metadata.is_error:
            errors.append(f"{entry.key}: {value}")
    if not values:
        raise InputError(f"{path}: not a LoadGen detail log (its first line does not start with :::MLLOG).")
    return DetailLog(path, values, tuple(errors), frozenset(contradicted))


def _loaded(raw: msgspec.Raw) -> Any:
    return json.loads(bytes(raw).decode())


def read_validity(path: Path) -> str | None:
    """Read VALID or INVALID from a summary; None in an accuracy run's, which has no result.

    Raises:
        InputError: the file is missing or no text.
    """
    try:
        lines = _bytes_of(path).decode().splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a LoadGen summary (not UTF-8 text).") from None
    results = [line.partition(":")[2].strip() for line in lines if line.startswith("Result is")]
    return results[0] if results else None


def cut_off(folder: Path, *, performance: bool) -> str | None:
    """Return the first of LoadGen's logs in a folder that is missing or lacks its end; None: all are whole.

    LoadGen itself goes on without a word when a disk takes no more of its logs.
    """
    detail = path.read_bytes() if (path := folder / DETAIL).is_file() else b""
    last_keys = (b'"key": "power_end"', b'"key": "num_errors"' if performance else b"")
    if not detail.endswith(b"}}\n") or not all(key in detail for key in last_keys):
        return DETAIL
    if not _end_of(folder / SUMMARY).endswith(_SUMMARY_ENDS):
        return SUMMARY
    return None if _end_of(folder / ANSWERS).endswith(b"]\n") else ANSWERS


def _end_of(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 100))
        return stream.read()


class _Answer(msgspec.Struct):
    qsl_idx: int
    data: str
    token_count: int | None = None


def read_answers(path: Path, samples: int) -> dict[int, bytes]:
    """Read an accuracy run's answers: the bytes that LoadGen got, by sample, in the order of the log.

    Raises:
        InputError: the log is missing, truncated or damaged; a sample's answer is missing, doubled or of an
            unknown index; or an answer is not hexadecimal.
    """
    answers: dict[int, bytes] = {}
    for record in _records(path):
        index = record.qsl_idx
        if not 0 <= index < samples:
            raise InputError(
                f"{path}: answers sample {index}, but the dataset has samples 0 to {samples - 1}; "
                f"score it against the dataset and round that it was made with."
            )
        if index in answers:
            raise InputError(f"{path}: answers sample {index} more than once; repeat the accuracy run.")
        answers[index] = _bytes_logged(record, path)
    if len(answers) < samples:
        first = next(index for index in range(samples) if index not in answers)
        raise InputError(
            f"{path}: {samples - len(answers)} of {samples} samples have no answer (the first is {first}); "
            f"was this an accuracy run? Repeat it."
        )
    return answers


def has_answers(path: Path) -> bool:
    """Return whether an accuracy log is there, and was not truncated for a submission."""
    return path.is_file() and TRUNCATION_MARK not in _bytes_of(path)


def read_answer_sizes(path: Path) -> list[tuple[int, int]]:
    """Read the sample of each entry of an accuracy log, and the size of its answer in bytes, in their order.

    Raises:
        InputError: the log is missing, truncated or damaged.
    """
    return [(record.qsl_idx, len(record.data) // 2) for record in _records(path)]


def read_answer_tokens(path: Path) -> list[tuple[int, int, int | None]]:
    """Read the same with LoadGen's count of the answer's tokens; None where it counted none.

    Raises:
        InputError: the log is missing, truncated or damaged.
    """
    return [(record.qsl_idx, len(record.data) // 2, record.token_count) for record in _records(path)]


def _records(path: Path) -> list[_Answer]:
    content = _bytes_of(path)
    try:
        return msgspec.json.decode(content, type=list[_Answer])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if TRUNCATION_MARK in content:
            raise InputError(f"{path}: truncated for a submission; score the original log instead.") from None
        raise InputError(
            f"{path}: cut off or damaged ({str(error).rstrip('.')}); repeat the accuracy run."
        ) from None


def _bytes_logged(record: _Answer, path: Path) -> bytes:
    try:
        return binascii.unhexlify(record.data)
    except ValueError:
        raise InputError(f"{path}: the answer to sample {record.qsl_idx} is not hexadecimal.") from None


def _bytes_of(path: Path) -> bytes:
    try:
        with open_regular(path) as stream:
            return stream.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); has the run ended?") from None
