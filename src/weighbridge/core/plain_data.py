"""Read plain data (dictionaries, lists, scalars) from JSON and YAML text, and refuse what cannot be trusted.

Python's readers take the last of two equal keys, numbers that are none (NaN, Infinity, 1e999), brackets and
aliases that grow without bound, and characters that no file can be written with. Here each is an error.
"""

import json
import math
from collections.abc import Hashable
from typing import Any

import yaml

_LARGEST_JSON_BYTES = 64 << 20  # the lock of 300,000 files
_LARGEST_YAML_BYTES = 512 << 10  # PyYAML reads some 100 KB a second
_MOST_VALUES = 2_000_000
_DEEPEST = 100
_LARGEST_NUMBER = 2**64  # seeds have 64 bits
_MERGE = "tag:yaml.org,2002:merge"
_LONGEST_INTEGER = 40  # characters; Python needs minutes for some that are written as 1:59:59:...


class UnreadableError(Exception):
    """A text is not JSON or YAML, or holds what no file of ours may; the message is a part of a sentence."""


def parse_json(text: str) -> Any:
    """Return the data of a JSON text.

    Raises:
        UnreadableError: it is no JSON, has a key twice, or holds a number or character that is refused.
    """
    _check_size(text, _LARGEST_JSON_BYTES)
    # Before anything is built of it: a list of empty lists takes thirty times the memory of its text.
    if sum(map(text.count, ",[{")) > _MOST_VALUES:
        raise UnreadableError(f"it has more than {_MOST_VALUES:,} values")
    try:
        data = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        # A number with more digits than Python reads, or brackets in thousands of brackets.
        raise UnreadableError(_first_line(error)) from None
    check_plain(data)
    return data


def parse_yaml(text: str) -> Any:
    """Return the data of a YAML text; anchors and merge keys are read as long as they stay small.

    Raises:
        UnreadableError: as `parse_json`; or it holds something other than plain data, such as a date.
    """
    _check_size(text, _LARGEST_YAML_BYTES)
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 a subclass of the safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _not_yaml(error) from None
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError):
        # What PyYAML raises for a tag that does not fit its value, such as !!int x.
        raise UnreadableError("not YAML: a value does not fit its tag") from None
    check_plain(data)
    return data


def check_yaml(text: str) -> None:
    """Check the syntax of a YAML text, whatever it holds.

    Raises:
        UnreadableError: it is no YAML.
    """
    _check_size(text, _LARGEST_YAML_BYTES)
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _not_yaml(error) from None


def check_plain(data: object) -> None:
    """Check that data are plain, finite and not too many, whoever read them.

    Raises:
        UnreadableError: they are not.
    """
    values = 0
    level: list[object] = [data]
    for _ in range(_DEEPEST):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    if not isinstance(key, str):
                        raise UnreadableError(f"the key {_shown(key)} is no text; put it in quotes")
                    _check_text(key)
                below += value.values()
            elif isinstance(value, list):
                below += value
            else:
                _check_scalar(value)
        values += len(below)
        if values > _MOST_VALUES:
            raise UnreadableError(f"it has more than {_MOST_VALUES:,} values")
        if not below:
            return
        level = below
    raise UnreadableError(f"it is nested more than {_DEEPEST} levels deep")


def _check_scalar(value: object) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise UnreadableError(f"{value} is no number")
    elif isinstance(value, int):
        if abs(value) >= _LARGEST_NUMBER:
            raise UnreadableError("a number has more than 64 bits")
    elif value is not None:
        raise UnreadableError(f"{_shown(value)} is a {type(value).__name__}; put it in quotes")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise UnreadableError(f"{_shown(text)} holds a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnreadableError(f"{_shown(text)} holds half a character (a lone surrogate)") from None


def _check_size(text: str, largest: int) -> None:
    if len(text) > largest:
        raise UnreadableError(f"it is larger than {largest >> 10:,} KiB")


def _shown(value: object) -> str:
    return ascii(str(value)[:40])


def _not_yaml(error: Exception) -> UnreadableError:
    if not isinstance(error, yaml.MarkedYAMLError):
        return UnreadableError(f"not YAML: {_first_line(error)}")
    mark = error.problem_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return UnreadableError(f"not YAML: {place}{error.problem or error.context}")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"the key {_shown(_first_double([key for key, _ in pairs]))} stands twice")
    return found


def _first_double(keys: list[Any]) -> Any:
    return next(key for number, key in enumerate(keys) if key in keys[:number])


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses double keys, merged mappings that explode, and endless integers."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE]
        # Of a merged mapping, keys that stand in both follow each other, and the last one counts.
        if not getattr(node, "merged", False) and len(set(keys)) < len(keys):
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {_shown(_first_double(keys))} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if any(key.tag == _MERGE for key, _ in node.value):
            node.merged = True  # type: ignore[attr-defined]
        super().flatten_mapping(node)
        if len(node.value) > _MOST_VALUES // 1000:
            raise yaml.constructor.ConstructorError(None, None, "merge keys grow too large", node.start_mark)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Return a whole number."""
        if len(node.value) > _LONGEST_INTEGER or ":" in node.value:
            raise yaml.constructor.ConstructorError(
                None, None, f"{_shown(node.value)} is no number; put it in quotes", node.start_mark
            )
        return self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_integer)


def merged(base: Any, changes: Any) -> Any:
    """Return `base` with `changes` laid over it: dictionaries key by key, anything else as a whole."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    return base | {key: merged(base.get(key), value) for key, value in changes.items()}
