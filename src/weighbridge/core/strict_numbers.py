"""Make the numbers of pydantic models strict: true is no number, 2.0 and "2.0" are no whole numbers.

Text that is a number stays one: YAML 1.1 reads 1e-07 as text, and so does a shell's option.
"""

import re
from typing import Any

from pydantic_core import CoreSchema, core_schema

# Where a schema has further schemas: of an item, a field, a choice, a default.
_WRAPPED = "strict_number"


def with_strict_numbers(schema: CoreSchema) -> CoreSchema:
    """Return a model's schema in which every number is checked before pydantic converts it."""
    strict: CoreSchema = _strict(schema)
    return strict


def _strict(part: Any) -> Any:
    if isinstance(part, list):
        return [_strict(each) for each in part]
    if isinstance(part, tuple):
        return tuple(_strict(each) for each in part)
    if not isinstance(part, dict) or (part.get("metadata") or {}).get(_WRAPPED):
        return part
    # Defaults, metadata and serialisers are no schemas.
    inner = {
        key: value if key in ("default", "metadata", "serialization", "expected") else _strict(value)
        for key, value in part.items()
    }
    check = {"int": _whole, "float": _number, "bool": _switch}.get(str(part.get("type")))
    if check is None or "schema" in part:
        return inner
    return core_schema.no_info_before_validator_function(check, inner, metadata={_WRAPPED: True})


def _whole(value: object) -> object:
    if isinstance(value, bool | float):
        raise ValueError(f"{_written(value)} is no whole number")
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d{1,20}", value.strip()):
        raise ValueError("this is no whole number")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{_written(value)} is no number")
    return value


def _switch(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
