"""Mask secrets in text that is kept for years and copied to pages: by form, by name, and by value."""

import os
import re
from collections.abc import Iterator, Mapping

from weighbridge.core.secrets import MASKED, is_secret, mask, names_secret

# A shorter value of a variable is rather a word, such as "demo", which other texts contain rightly.
_SHORTEST_VALUE = 8
_USER_OF_URL = re.compile(r"(?<=://)[^\s/@?#'\"]+(?=@)")
# What may be the name of a secret, the sign between it and its value, and the quote that the value is in.
_NAMED = re.compile(
    r"(?<![\w.-])(?P<name>(?:--?)?[A-Za-z_][\w.-]*)['\"]?(?P<sign>\s*[=:]\s*|\s+)(?P<quote>['\"]?)"
)
_VALUE = re.compile(r"(?:(?:Basic|Bearer|Digest|Token)\s+)?[^\s'\"&;]+")
_QUOTED = {"": _VALUE, "'": re.compile(r"[^']+"), '"': re.compile(r'[^"]+')}


class SecretFree:
    """Mask secrets in texts.

    Args:
        environ: Whose values of variables that are named like secrets are masked wherever they occur.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._keys = tuple(
            value
            for name, value in environ.items()
            if len(value) >= _SHORTEST_VALUE and names_secret(name) and is_secret(name, value)
        )

    def text(self, text: str) -> str:
        """Return a text with all masked that is, or looks like, a secret; words of commands by their name."""
        text = _USER_OF_URL.sub(MASKED, mask(text, self._keys))
        for start, end in sorted(_named_values(text), reverse=True):
            text = text[:start] + MASKED + text[end:]
        return text

    def value(self, name: str, value: str) -> str:
        """Return a named value likewise, masked whole where its name is that of a secret."""
        return MASKED if is_secret(name, value) and names_secret(name) else self.text(value)

    def data(self, data: object) -> object:
        """Return plain data likewise: keys, values, and values by their keys."""
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {
                self.text(str(key)): self.value(str(key), each) if isinstance(each, str) else self.data(each)
                for key, each in data.items()
            }
        if isinstance(data, list | tuple):
            return [self.data(each) for each in data]
        return data


def _named_values(text: str) -> Iterator[tuple[int, int]]:
    """Yield where values stand in a text whose names are those of secrets: --api-key abc, TOKEN=abc."""
    for found in _NAMED.finditer(text):
        # Names run together with what stands before them, as in http://host?api_key=abc.
        name, sign = found["name"], found["sign"]
        if not names_secret(name) or (sign.isspace() and not name.startswith("-")):
            continue
        value = _QUOTED[found["quote"]].match(text, found.end())
        if value is not None and not value[0].startswith("-") and is_secret(name, value[0]):
            yield value.span()
