"""Recognise secrets and mask them: keys, tokens and passwords never reach a file, a log or a message.

LoadGen's process imports this module, so it uses the standard library alone.
"""

import json
import logging
import re
from collections.abc import Iterable

MASKED = "***"
# A shorter key is a word such as "x", and masking it would make every text unreadable.
_SHORTEST_KEY = 4
_SHORTEST_PART = 8

_WORDS = frozenset({"key", "apikey", "token", "secret", "password", "passwd", "passphrase"})
_WORDS_AT_THE_END = frozenset(
    {"credential", "credentials", "auth", "authorization", "cookie", "signature", "sig"}
)
# Between the words of a name such as hfToken.
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
# A name that ends in one of these tells where a secret is, or what it is for, and not the secret itself.
_HARMLESS_ENDS = frozenset(
    {"file", "keyfile", "path", "dir", "map", "ids", "threshold", "budget", "limit", "env"}
)
_HARMLESS_VALUE = re.compile(r"|[+-]?[\d.]{1,12}|true|false|none|null|auto|\*{3}", re.IGNORECASE)
_VALUES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hf_[A-Za-z0-9]{16,}"  # Hugging Face
    r"|sk-[A-Za-z0-9_-]{16,}"  # OpenAI and servers that follow it
    r"|nvapi-[A-Za-z0-9_-]{16,}"  # NVIDIA
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|AIza[A-Za-z0-9_-]{30,}"  # Google
    r"|xox[abprs]-[A-Za-z0-9-]{10,}"  # Slack
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JSON web token
    r")"
    r"|\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{6,}"
    r"|(?<=://)[^\s/:@'\"]*:[^\s/@'\"]+(?=@)"  # user:password@ in a URL
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----END)[\s\S])*"
)
# What a text must have at least for one of the patterns, which are slow.
_MARKS = (
    *("hf_", "sk-", "nvapi-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *("AKIA", "ASIA", "AIza", "xox", "eyJ", "earer", "://", "-----BEGIN"),
)
_MARKS_INSIDE = ("key", "password", "token", "secret")
# Inside a value: a quoted name of a secret, and the string that follows it, as in a JSON option.
_INSIDE = re.compile(
    r"(?P<name>['\"][\w-]*(?:api[_-]?key|access[_-]?key|password|token|secret)['\"]\s*:\s*)"
    r"(?:'(?:[^'\\]|\\.){4,}'|\"(?:[^\"\\]|\\.){4,}\")",
    re.IGNORECASE,
)


def names_secret(name: str) -> bool:
    """Return whether a variable or an option is named like a secret: HF_TOKEN, --api-key, AWS_ACCESS_KEY_ID.

    TOKENIZERS_PARALLELISM, --max-num-batched-tokens and --ssl-keyfile are not.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", _HUMP.sub(" ", name).lower()) if word]
    if not words or words[-1] in _HARMLESS_ENDS:
        return False
    if words[-1] in _WORDS_AT_THE_END or words[-1].endswith(("password", "passwd", "apikey")):
        return True
    return not _WORDS.isdisjoint(words)


def holds_secret(text: str) -> bool:
    """Return whether a text has what looks like a secret: a known form of token, or a password in a URL."""
    return _mask_forms(text) != text


def is_secret(name: str, value: str) -> bool:
    """Return whether a named value is a secret, by its name or by itself; a number or a switch is none."""
    return holds_secret(value) or (names_secret(name) and not _HARMLESS_VALUE.fullmatch(value.strip()))


def mask(text: str, keys: Iterable[str | None] = ()) -> str:
    """Return a text with given keys, also as JSON writes them, and all that looks like a secret masked.

    Args:
        text: What a server or a user wrote.
        keys: Keys to mask wherever they occur; None and very short ones are not masked.
    """
    for key in keys:
        if key and (forms := forms_of(key)):
            for form in forms:
                text = text.replace(form, MASKED)
            text = _without_beginning(text, key)
    return _mask_forms(text)


def forms_of(key: str) -> tuple[str, ...]:
    """Return how a key may be written, itself and as in JSON; none for a very short one, which is a word."""
    return (key, json.dumps(key)[1:-1]) if len(key) >= _SHORTEST_KEY else ()


def _mask_forms(text: str) -> str:
    if any(mark in text for mark in _MARKS):
        text = _VALUES.sub(MASKED, text)
    if any(mark in text.lower() for mark in _MARKS_INSIDE):
        text = _INSIDE.sub(rf'\g<name>"{MASKED}"', text)
    return text


def _without_beginning(text: str, key: str) -> str:
    """Return a text without the first part of a key at its end, where evidence was cut off."""
    for length in range(min(len(key), len(text)) - 1, _SHORTEST_PART - 1, -1):
        if text.endswith(key[:length]):
            return text[:-length] + MASKED
    return text


class MaskingFormatter(logging.Formatter):
    """Formats log messages, tracebacks included, with the keys masked that this process was told to hide."""

    _keys: tuple[str, ...] = ()

    @classmethod
    def hide(cls, key: str | None) -> None:
        """Mask a key in all that this process logs from now on."""
        if key and key not in cls._keys:
            cls._keys = (*cls._keys, key)

    def format(self, record: logging.LogRecord) -> str:
        """Return the message as the base class formats it, masked."""
        return mask(super().format(record), self._keys)
