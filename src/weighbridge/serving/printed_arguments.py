"""Read the arguments that a server prints into its log: the text of a Python dictionary or call.

Values may be representations that no parser of Python reads, such as `<Level.BACKED: 'backed'>` and
`Config(level=None)`. Brackets and quotes are matched, and the values are kept as text.
"""

import ast
import contextlib
import re
from collections.abc import Mapping, Sequence

from weighbridge.core.secrets import MASKED

_CLOSING = {"{": "}", "(": ")", "[": "]"}
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_SECRET = re.compile(r"(^|[_-])(api[_-]?key|key[_-]?password|keyfile[_-]password|password|token|secret)$")
# The same inside a value: a quoted name of a secret, and the string that follows it.
_SECRET_INSIDE = re.compile(
    r"(?P<name>['\"]?[\w-]*(?:api[_-]?key|password|token|secret)['\"]?\s*[:=]\s*)(?:" + _STRING.pattern + ")"
)
# They differ between the servers of one run.
_OF_ONE_PROCESS = ("--port", "--node-rank", "--host")


def printed_arguments(log_text: str, beginning: re.Pattern[str]) -> dict[str, str] | None:
    """Return all arguments that stand after a beginning in a log, with the names of options.

    Args:
        log_text: What a server, or several, printed.
        beginning: Matches up to the bracket after which the arguments stand.

    Returns:
        Options such as --max-model-len and their values as text, secrets masked. None where the log has no
        such line, or one that is cut off or cannot be read.
    """
    found: list[dict[str, str]] = []
    for match in beginning.finditer(log_text):
        entries = _entries(log_text, match.end())
        named = None if entries is None else [_named(entry) for entry in entries]
        if named is None or None in named:
            return None
        found.append(dict(each for each in named if each))
    return union(found) if found else None


def union(reports: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what several servers report, so that nothing hides: of values that differ, all, joined by ' | '.

    A server that does not report an option has it at its default. A port, an address and a rank, which always
    differ, are those of the first.
    """
    joined = {}
    for name in dict.fromkeys(name for report in reports for name in report):
        values = list(dict.fromkeys(report.get(name, "default") for report in reports))
        alike = name in _OF_ONE_PROCESS
        joined[name] = next(value for value in values if value != "default") if alike else " | ".join(values)
    return joined


def _entries(text: str, opening: int) -> list[str] | None:
    """Return the entries of the bracket at `opening`, split at its commas; None where it does not close."""
    expected: list[str] = []
    found: list[str] = []
    at = begin = opening
    while at < len(text):
        mark = text[at]
        if mark in "'\"":
            string = _STRING.match(text, at)
            if string is None:
                return None
            at = string.end()
            continue
        if mark == "\n":
            return None  # a log's message ends with its line; a cut one must not swallow the rest
        if mark in _CLOSING:
            expected.append(_CLOSING[mark])
            begin = at + 1 if len(expected) == 1 else begin
        elif mark in _CLOSING.values():
            if not expected or mark != expected.pop():
                return None
            if not expected:
                return [entry for part in (*found, text[begin:at]) if (entry := part.strip())]
        elif mark == "," and len(expected) == 1:
            found.append(text[begin:at])
            begin = at + 1
        at += 1
    return None


def _named(entry: str) -> tuple[str, str] | None:
    """Return an entry's option and value: of 'name': value in a dictionary, of name=value in a call."""
    quoted = _STRING.match(entry)
    if quoted:
        name, separator, value = quoted[0][1:-1], *_divided(entry[quoted.end() :], ":")
    else:
        name, separator, value = entry.partition("=")
    name = name.strip()
    if not separator or not re.fullmatch(r"[\w.-]+", name):
        return None
    return f"--{name.replace('_', '-')}", MASKED if _SECRET.search(name.lower()) else _text(value.strip())


def _divided(text: str, separator: str) -> tuple[str, str]:
    stripped = text.lstrip()
    return (separator, stripped[1:]) if stripped.startswith(separator) else ("", "")


def _text(value: str) -> str:
    """Return a string without its quotes, and every other value as it was printed."""
    if _STRING.fullmatch(value):
        with contextlib.suppress(ValueError, SyntaxError):  # no string of Python's after all
            return str(ast.literal_eval(value))
    return _SECRET_INSIDE.sub(rf"\g<name>'{MASKED}'", value)
