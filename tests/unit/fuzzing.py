"""Mutations of real files, some of their structure and some of their bytes, for the fuzz tests.

WEIGHBRIDGE_FUZZ_EXAMPLES=N makes N examples of each test, other ones each time; else there are a few, always
the same.
"""

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, settings

from weighbridge.core.errors import WeighbridgeError

EXAMPLES = int(os.environ.get("WEIGHBRIDGE_FUZZ_EXAMPLES", "0"))
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2.0, 0.5, 1e300, float("nan"), float("inf"), 10**18, 10**400),
    *("", " ", "x", "1", "1e999", "nan", "../..", "/etc/passwd", "a\0b", "\ud800", "é\u202e", "x" * 5000),
    *("http://[::1", "h:abc", "2026-01-01", "auto", "~"),
    *([], {}, [[]], {"a": 1}, [1, "x"], {"": None}),
)
_BYTES = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"{",
    b"[" * 3000,
    b'"',
    b"\n",
    b":",
    b"-",
    b"9" * 400,
    b"NaN",
    b"&a *a",
)
_LONGEST_SENTENCE = 2000


def few(examples: int, share: float = 1) -> Callable[[Any], Any]:
    """Return the settings of a test: so many examples, always the same, or as many as the variable says."""
    wanted = max(1, round(EXAMPLES * share)) or examples if EXAMPLES else examples
    return settings(
        max_examples=wanted,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def ends_well(call: Callable[[], object]) -> object:
    """Call something; return its value, or the error that is one sentence. Any other end is a failure."""
    try:
        return call()
    except WeighbridgeError as error:
        found = error
    sentence = str(found)
    assert found.exit_code in (2, 3, 4)
    assert sentence
    assert "\n" not in sentence, sentence
    assert len(sentence) < _LONGEST_SENTENCE, len(sentence)
    return found


def mutated_bytes(content: bytes, chance: random.Random) -> bytes:
    """Return content with one to three of these: flipped, cut, doubled, removed, inserted."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        length = chance.choice((1, 1, 2, 8, 100, len(data) // 2 + 1))
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at:]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = chance.choice(_BYTES)
            case _:
                data[at : at + length] = chance.randbytes(min(length, 100))
    return bytes(data)


def mutated_data(data: Any, chance: random.Random) -> Any:
    """Return plain data with one to three places swapped for another type, removed, doubled or renamed."""
    changed = copy.deepcopy(data)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(changed))
        if not places:
            return chance.choice(_ODD)
        container, key = chance.choice(places)
        match chance.randrange(6):
            case 0:
                del container[key]
            case 1 if isinstance(container, list):
                container.insert(0, copy.deepcopy(container[key]))
            case 1 | 2 if isinstance(container, dict):
                container[chance.choice((f"{key}x", "../x", "", "a b", "é"))] = container.pop(key)
            case 3:
                for _ in range(chance.choice((1, 5, 150))):
                    container[key] = [container[key]]
            case _:
                container[key] = copy.deepcopy(chance.choice(_ODD))
    return changed


def _places(data: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    below = [data]
    while below:
        value = below.pop()
        keys = (
            list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        )
        for key in keys:
            found.append((value, key))
            below.append(value[key])
    return found


def as_json(data: Any) -> bytes:
    """Return data as JSON, also what JSON forbids, as Python writes it."""
    return json.dumps(data).encode(errors="surrogatepass")


def as_yaml(data: Any) -> bytes:
    """Return data as YAML."""
    return yaml.safe_dump(data, allow_unicode=False).encode(errors="surrogatepass")


def mutated_file(content: bytes, chance: random.Random, *, suffix: str) -> bytes:
    """Return a mutation of a JSON or YAML file: half of them of its structure, half of its bytes."""
    if chance.random() < 0.5:
        return mutated_bytes(content, chance)
    if suffix == ".json":
        text = as_json(mutated_data(json.loads(content), chance))
        # A double key: what it would overlay is the first one of the file.
        return text.replace(b"{", b'{"round": 1, "round": 2, ', 1) if chance.random() < 0.1 else text
    return as_yaml(mutated_data(yaml.safe_load(content), chance))


def write(path: Path, content: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content)
    return path
