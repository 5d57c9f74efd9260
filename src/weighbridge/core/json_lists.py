"""Read JSON files that hold one list of objects, such as samples, without building every value."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from weighbridge.core.errors import InputError
from weighbridge.core.parquet import refusing_damage

_BATCH_ROWS = 1024
_FORMAT = "a JSON list"


def read_json_table(file: Path, columns: Sequence[str]) -> pa.Table:
    """Read single fields of all objects, one row each in their order; other fields are skipped unread.

    The memory needed is the file's size plus that of the table.

    Raises:
        InputError: the file is no JSON list of objects, an object lacks a field, or the values of a field
            have different types.
    """
    with refusing_damage(file, _FORMAT):
        count, fields = _fields(file, columns)
        parts = [
            pa.table({name: _array(raw[start : start + _BATCH_ROWS]) for name, raw in fields.items()})
            for start in range(0, count, _BATCH_ROWS)
        ]
        # A batch of empty or null values has no type of its own.
        return pa.concat_tables(parts, promote_options="permissive")


def read_json_rows(file: Path, columns: Sequence[str], rows: Iterable[int]) -> tuple[int, dict[int, Any]]:
    """Read single fields of a few objects.

    Returns:
        The number of objects, and the fields of those asked for by their number; numbers beyond the last
        object are left out.

    Raises:
        InputError: as `read_json_table`.
    """
    with refusing_damage(file, _FORMAT):
        count, fields = _fields(file, columns)
        return count, {
            row: {name: msgspec.json.decode(raw[row]) for name, raw in fields.items()}
            for row in rows
            if row < count
        }


def _fields(file: Path, columns: Sequence[str]) -> tuple[int, dict[str, list[msgspec.Raw]]]:
    """Return the number of objects, and the undecoded values of each field: views of the file's content."""
    # Names of fields may be no Python names.
    names = {f"field{number}": column for number, column in enumerate(columns)}
    row = msgspec.defstruct("_Row", [(name, msgspec.Raw) for name in names], rename=names, gc=False)
    try:
        rows = msgspec.json.decode(file.read_bytes(), type=list[row])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise InputError(
            f"{file}: is no list of samples with {', '.join(columns)} ({error}); this is another dataset."
        ) from None
    if not rows:
        raise InputError(f"{file}: holds no samples; make or fetch it again.")
    return len(rows), {column: [getattr(each, name) for each in rows] for name, column in names.items()}


def _array(values: Sequence[msgspec.Raw]) -> pa.Array:
    return pa.array([msgspec.json.decode(value) for value in values])
