"""Compare values in an artifact's JSON files with those that the rules name."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from weighbridge.artifacts.proof import Proof
from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.core.models import read_data


def differing_values(proof: Proof, pin: ArtifactPin) -> tuple[str, ...]:
    """Return what differs in a proven artifact's JSON files from the values that its pin names.

    Quantising changes a model's weights and not these values, so they show which model it is.

    Args:
        proof: The artifact's proof; its folder is read.
        pin: Names the files, and in each the dotted keys and their values.

    Returns:
        Texts such as `config.json: text_config.num_hidden_layers is 48, not 94`.

    Raises:
        InputError: a file that the proof names is not in the folder, or cannot be read.
    """
    return tuple(text for name, wanted in pin.files.items() for text in _differing(proof, name, wanted))


def proven_json(proof: Proof, name: str) -> Any:
    """Return the content of a proven artifact's JSON file; None if it has no such file.

    Raises:
        InputError: the file is not in the artifact's folder, cannot be read, or was changed since the proof.
    """
    entry = next((entry for entry in proof.files if entry.path == name), None)
    if entry is None:
        return None
    path = proof.folder / name
    data = read_data(path)
    if sha256_of(path) != entry.sha256:
        raise InputError(f"{path}: changed since its proof was written; fetch or verify the artifact again.")
    return data


def _differing(proof: Proof, name: str, wanted: Mapping[str, object]) -> Iterator[str]:
    if all(entry.path != name for entry in proof.files):
        yield f"{name} is missing"
        return
    data = proven_json(proof, name)
    for key, value in wanted.items():
        found = _value(data, key)
        if found != value:
            yield f"{name}: {key} is {json.dumps(found)}, not {_number(value)}"


def _value(data: Any, key: str) -> Any:
    """Return the value under a dotted key; None where there is none."""
    for part in key.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)
