"""Where a value stands that an error names: on the command line, or in YAML files by line and column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_LARGEST_BYTES = 1 << 20  # of a file that a person writes; larger ones are not searched


@dataclass(frozen=True)
class Sources:
    """What data were merged from.

    Attributes:
        files: YAML files that are laid over each other, the last one on top.
        command_line: What single values of the command line lay over them.
    """

    files: tuple[Path, ...] = ()
    command_line: Mapping[str, object] = field(default_factory=dict)


def place_of_value(sources: Sources, keys: Sequence[str | int]) -> str | None:
    """Return where a value is written, such as 'my.yaml, line 3, column 5'; None: nowhere there.

    Args:
        sources: Where it may be.
        keys: Of the mappings and lists that lead to the value. Of a key that is in no file, which may be
            missing, the place is that of the value that should hold it.
    """
    best: tuple[int, str] | None = None
    for file in sources.files:
        found = _place(file, keys)
        if found is not None and (best is None or found[0] >= best[0]):
            best = found
    depth = _depth(sources.command_line, keys)
    if depth and (best is None or depth >= best[0]):
        return "the command line"
    return best[1] if best else None


def _depth(value: Any, keys: Sequence[str | int]) -> int:
    """Return how many of the keys lead somewhere in plain data."""
    for depth, key in enumerate(keys):
        if isinstance(value, list):
            leads = isinstance(key, int) and key < len(value)
        else:
            leads = isinstance(value, Mapping) and key in value
        if not leads:
            return depth
        value = value[key]
    return len(keys)


def _place(file: Path, keys: Sequence[str | int]) -> tuple[int, str] | None:
    """Return how many of the keys lead somewhere in a file, and where."""
    if file.suffix not in {".yaml", ".yml"}:
        return None
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            return None
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    depth, mark = 0, None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            # The last of equal keys holds, as in what was read.
            pairs = [pair for pair in node.value if pair[0].value == str(key)]
            if not pairs:
                break
            mark, node = pairs[-1][0].start_mark, pairs[-1][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            mark = node.start_mark
        else:
            break
        depth += 1
    return None if mark is None else (depth, f"{file}, line {mark.line + 1}, column {mark.column + 1}")
