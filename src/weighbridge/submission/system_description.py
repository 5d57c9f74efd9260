"""The system description: detected values, overlaid by the submitter's statements, checked for gaps."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from weighbridge.config.refused_secrets import refuse_secrets
from weighbridge.config.round import Round
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model, read_text, read_yaml
from weighbridge.records.notice import PLACEHOLDER, SIMULATED_BY, mark_of
from weighbridge.records.run_record import RunRecord
from weighbridge.system.detection import detect

Value = str | int | float | bool
Source = Literal["settings", "detected", "run", "default", "stated", "placeholder"]

_FIELDS_FILE = Path(__file__).parent / "system_fields.yaml"
_STATUS = ("available", "preview", "rdi")
_WHOLE_NUMBERS = ("number_of_nodes", "accelerators_per_node")
# Counts that the official checkers only print.
_COUNTS = ("host_processors_per_node", "host_processor_core_count")
# What the official checkers join to other texts, and crash on if it is none.
_TEXTS = (
    *("division", "submitter", "status", "system_type", "system_name", "framework", "operating_system"),
    *("host_processor_model_name", "accelerator_model_name", "hw_notes", "sw_notes"),
)
_WHOLE = re.compile(r"[0-9]+", re.ASCII)
_FROM_SETTINGS = ("division", "submitter")
# Values that hold unless the submitter states others.
_DEFAULTS: dict[str, Value] = {"system_type_detail": "N/A"}
_ONE_NODE: dict[str, Value] = {"number_of_nodes": "1", "host_networking_topology": "N/A (one node)"}


class RequiredField(Model):
    """A key that the description must have."""

    example: str
    empty: bool = Field(default=False, description="True: its value may be empty.")


class SystemDescription(Model):
    """The content of systems/<id>.json, and the source of each value."""

    values: dict[str, Value]
    sources: dict[str, Source]


@cache
def required_fields() -> Mapping[str, RequiredField]:
    """Return the keys that the official checker requires, each with an example."""
    data = yaml.safe_load(_FIELDS_FILE.read_text())
    return {name: RequiredField.parse(entry, f"{_FIELDS_FILE}: {name}") for name, entry in data.items()}


def describe_system(*, settings: SubmissionSettings, round_: Round, record: RunRecord) -> SystemDescription:
    """Merge the sources of the description; later ones win: defaults, detected, run, stated, settings.

    Args:
        settings: Submitter, system and division, and the path of the submitter's YAML file.
        round_: The rules; gaps of a demonstration are filled with a placeholder.
        record: A run on the system, with the detected values of its machine.

    Raises:
        InputError: fields are missing (all are listed with examples), or one has an invalid value.
    """
    stated = _stated(settings.system_description)
    layers: list[tuple[Source, Mapping[str, Value]]] = [
        ("default", {"system_type": round_.system_types[0], **_DEFAULTS}),
        ("detected", _without_dashes(record.system)),
        ("run", _from_run(record)),
        ("stated", stated),
        ("settings", _from_settings(settings, stated)),
    ]
    if not round_.submittable:
        known = {name: value for _, layer in layers for name, value in layer.items()}
        layers.append(("placeholder", _placeholders(known, round_)))
    values: dict[str, Value] = {name: "" for name, field in required_fields().items() if field.empty}
    sources: dict[str, Source] = dict.fromkeys(values, "default")
    for source, layer in layers:
        values |= layer
        sources |= dict.fromkeys(layer, source)
    # The checker treats the number 0 as an empty field, and requires whole numbers here.
    values |= {name: str(values[name]) for name in _WHOLE_NUMBERS if name in values}
    _check(values, settings, round_)
    return SystemDescription(values=dict(sorted(values.items())), sources=dict(sorted(sources.items())))


def _stated(path: Path | None) -> dict[str, Value]:
    """Return the submitter's YAML file as a dictionary, without keys that have no value."""
    if path is None:
        return {}
    data = read_yaml(read_text(path), str(path))
    refuse_secrets(data, str(path))
    if not isinstance(data, dict) or any(
        isinstance(value, bool) or not isinstance(value, Value | None) for value in data.values()
    ):
        raise InputError(f"{path}: must map field names to texts or numbers, such as 'cooling: air-cooled'.")
    for name in _FROM_SETTINGS:
        if name in data:
            raise InputError(
                f"{path}: '{name}' belongs into the configuration, as submission.{name}; remove it here."
            )
    return {str(name): value for name, value in data.items() if value is not None}


def _without_dashes(detected: Mapping[str, str]) -> dict[str, Value]:
    """Return detected values without counts that the machine does not tell; lscpu prints a dash for them."""
    return {name: value for name, value in detected.items() if name not in _COUNTS or _is_count(value)}


def _is_count(value: object) -> bool:
    return _WHOLE.fullmatch(str(value)) is not None and str(value).strip("0") != ""


def _from_settings(settings: SubmissionSettings, stated: Mapping[str, Value]) -> dict[str, Value]:
    names: dict[str, Value] = {"division": settings.division, "submitter": settings.submitter}
    return names if "system_name" in stated else names | {"system_name": settings.system}


def _from_run(record: RunRecord) -> dict[str, Value]:
    """Return what a run records about software; a server that Weighbridge started is on one node."""
    software = [
        f"Python {record.host.python}",
        f"LoadGen {record.load.loadgen_version}",
        f"Weighbridge {record.weighbridge_version}",
    ]
    if "other_software_stack" in record.system:
        software.insert(0, record.system["other_software_stack"])
    fields: dict[str, Value] = {"other_software_stack": ", ".join(software)}
    if record.server.command:
        name = Path(record.server.command[0]).name
        fields["framework"] = f"{name} {record.server.version or ''}".strip()
        fields |= _ONE_NODE
    return fields


def _placeholders(known: Mapping[str, Value], round_: Round) -> dict[str, Value]:
    """Return placeholders for a demonstration's gaps, and notes that mark it; its status is rdi."""
    numbers: dict[str, Value] = {"status": "rdi", "number_of_nodes": "1", "accelerators_per_node": "0"}
    filled = {name: numbers.get(name, PLACEHOLDER) for name in missing_fields(known)}
    simulated = {"framework": f"none: {SIMULATED_BY}"} if round_.simulated else {}
    return filled | simulated | {"hw_notes": mark_of(round_), "sw_notes": mark_of(round_)}


def _check(values: Mapping[str, Value], settings: SubmissionSettings, round_: Round) -> None:
    """Check that the official checker would neither refuse the description nor crash on it.

    Raises:
        InputError: fields are missing (all are listed), or one is wrong; what to write is part of the text.
    """
    where = settings.system_description or "submission.system_description (a YAML file; none is set)"
    missing = missing_fields(values)
    if missing:
        examples = "; ".join(f"{name}: {example}" for name, example in missing.items())
        raise InputError(f"{where}: {len(missing)} fields are not known; state them, such as {examples}.")
    for said, remedy in (*description_faults(values, round_), *description_doubts(values)):
        raise InputError(f"{where}: {said}; {remedy[0].lower()}{remedy[1:]}")


def missing_fields(values: Mapping[str, Value]) -> dict[str, str]:
    """Return the required fields that are empty, each with an example."""
    return {
        name: field.example
        for name, field in required_fields().items()
        if not field.empty and not values.get(name)
    }


def description_faults(values: Mapping[str, Value], round_: Round) -> Iterator[tuple[str, str]]:
    """Yield each fault that the official checker would refuse or crash on, with its remedy."""
    for name, field in required_fields().items():
        if name not in values:
            yield f"'{name}' is missing", f"State it, such as {field.example or 'an empty text'}."
        elif not field.empty and not values[name]:
            yield f"'{name}' is empty", f"State it, such as {field.example}."
    yield from _faults_of_kind(values)
    for name, allowed, said in (
        ("status", _STATUS, str(values.get("status")).lower()),
        ("system_type", round_.system_types, values.get("system_type")),
    ):
        if values.get(name) and said not in allowed:
            yield f"'{name}' is '{values[name]}'", f"Write one of {' | '.join(allowed)}."
    if values.get("is_network") not in (None, ""):
        yield "'is_network' is present", "Remove it; the closed and open divisions must not have it."


def _faults_of_kind(values: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """Yield each value that is stated, but of another kind than the official checkers can use."""
    for name in _WHOLE_NUMBERS:
        if values.get(name) and not _WHOLE.fullmatch(str(values[name])):
            yield f"'{name}' is '{values[name]}'", "Write a whole number."
    nodes = values.get("number_of_nodes")
    if nodes and _WHOLE.fullmatch(str(nodes)) and not _is_count(nodes):
        yield f"'number_of_nodes' is '{nodes}'", "Write a whole number above 0."
    for name in _TEXTS:
        # An empty value is told elsewhere, or allowed, except that these notes are always joined to others.
        stated = name in values and (values[name] or name == "hw_notes")
        if stated and not isinstance(values[name], str):
            yield f"'{name}' is {json.dumps(values[name])}", "Write a text."


def description_doubts(values: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """Yield each value that the official checkers accept and a reader cannot use, with its remedy."""
    for name in _COUNTS:
        if values.get(name) and values[name] != PLACEHOLDER and not _is_count(values[name]):
            yield f"'{name}' is '{values[name]}', which is no count", "Write a whole number above 0."
    for name, value in values.items():
        if value is not None and not isinstance(value, Value):
            yield f"'{name}' is neither a text nor a number", "Write a text."


def starting_description() -> str:
    """Return a template of system.yaml: detected values as comments, then the fields to state."""
    detected = detect()
    known = yaml.safe_dump(detected, allow_unicode=True, sort_keys=True, width=1000)
    filled_elsewhere = {"division", "submitter", "system_name", "framework"}
    examples = {
        name: field.example
        for name, field in required_fields().items()
        if name not in detected and name not in filled_elsewhere
    }
    missing = "".join(f"{name}:   # such as {json.dumps(example)}\n" for name, example in examples.items())
    return (
        "# Detected on this machine, and recorded by every run; a value that you state replaces it.\n"
        f"{_as_comments(known)}\n# For you to state.\n{missing}"
    )


def _as_comments(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.splitlines())
