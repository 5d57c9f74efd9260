"""The system description: what was detected, overlaid by what the submitter states, checked for gaps."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from weighbridge.config.round import Round
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model
from weighbridge.records.notice import mark_of
from weighbridge.records.run_record import RunRecord

Value = str | int | float | bool
Source = Literal["settings", "detected", "run", "default", "stated", "placeholder"]

PLACEHOLDER = "not stated (demonstration)"

_FIELDS_FILE = Path(__file__).parent / "system_fields.yaml"
_STATUS = ("available", "preview", "rdi")
_WHOLE_NUMBERS = ("number_of_nodes", "accelerators_per_node")
_FROM_SETTINGS = ("division", "submitter")
# Fields that have a true value wherever nothing else is stated.
_DEFAULTS: dict[str, Value] = {"system_type": "datacenter", "system_type_detail": "N/A"}
_ONE_NODE: dict[str, Value] = {"number_of_nodes": "1", "host_networking_topology": "N/A (one node)"}


class RequiredField(Model):
    """What a key of the description must hold."""

    example: str
    empty: bool = Field(default=False, description="True: it may be empty.")


class SystemDescription(Model):
    """The content of systems/<id>.json, and where each of its values comes from."""

    values: dict[str, Value]
    sources: dict[str, Source]


def required_fields() -> dict[str, RequiredField]:
    """List the keys that the official checker asks for."""
    data = yaml.safe_load(_FIELDS_FILE.read_text())
    return {name: RequiredField.parse(entry, f"{_FIELDS_FILE}: {name}") for name, entry in data.items()}


def describe_system(*, settings: SubmissionSettings, round_: Round, record: RunRecord) -> SystemDescription:
    """Lay the layers over each other: defaults, detected, told by the run, stated, settings.

    Args:
        settings: Submitter, system and division, and the path of what the submitter states.
        round_: A demonstration's gaps are filled with a placeholder; any other round's gaps are errors.
        record: A run on the system, with what the machine that ran told about itself.

    Raises:
        InputError: a field is missing (all are listed, with an example of each) or has an impossible value.
    """
    stated = _stated(settings.system_description)
    layers: list[tuple[Source, Mapping[str, Value]]] = [
        ("default", _DEFAULTS),
        ("detected", record.system),
        ("run", _told_by(record)),
        ("stated", stated),
        ("settings", _from(settings, stated)),
    ]
    if not round_.submittable:
        known = {name: value for _, layer in layers for name, value in layer.items()}
        layers.append(("placeholder", _placeholders(known, round_)))
    values: dict[str, Value] = {name: "" for name, field in required_fields().items() if field.empty}
    sources: dict[str, Source] = dict.fromkeys(values, "default")
    for source, layer in layers:
        values |= layer
        sources |= dict.fromkeys(layer, source)
    # The checker takes the number 0 for an empty field, and needs these two to be whole numbers.
    values |= {name: str(values[name]) for name in _WHOLE_NUMBERS if name in values}
    _check(values, settings, round_)
    return SystemDescription(values=dict(sorted(values.items())), sources=dict(sorted(sources.items())))


def _stated(path: Path | None) -> dict[str, Value]:
    """Read the submitter's YAML; a key without a value states nothing."""
    if path is None:
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: the system description cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({str(error).splitlines()[0]}).") from None
    if not isinstance(data, dict) or not all(isinstance(value, Value | None) for value in data.values()):
        raise InputError(f"{path}: must map field names to texts or numbers, such as 'cooling: air-cooled'.")
    for name in _FROM_SETTINGS:
        if name in data:
            raise InputError(f"{path}: '{name}' belongs into the configuration, as submission.{name}.")
    return {str(name): value for name, value in data.items() if value is not None}


def _from(settings: SubmissionSettings, stated: Mapping[str, Value]) -> dict[str, Value]:
    names: dict[str, Value] = {"division": settings.division, "submitter": settings.submitter}
    return names if "system_name" in stated else names | {"system_name": settings.system}


def _told_by(record: RunRecord) -> dict[str, Value]:
    """Take from a run what it knows of the software, and that a server of ours is on one node."""
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
    """Fill a demonstration's gaps and mark it; its status is the one that promises nothing to anyone."""
    numbers: dict[str, Value] = {"status": "rdi", "number_of_nodes": "1", "accelerators_per_node": "0"}
    gaps = [name for name, field in required_fields().items() if not field.empty and not known.get(name)]
    filled = {name: numbers.get(name, PLACEHOLDER) for name in gaps}
    simulated = {"framework": "none: simulated by Weighbridge"} if round_.simulated else {}
    return filled | simulated | {"hw_notes": mark_of(round_), "sw_notes": mark_of(round_)}


def _check(values: Mapping[str, Value], settings: SubmissionSettings, round_: Round) -> None:
    """Refuse what the official checker refuses or crashes on.

    Raises:
        InputError: all that is missing, or the first fault, with what to write instead.
    """
    where = settings.system_description or "submission.system_description (a YAML file; none is set)"
    missing = missing_fields(values)
    if missing:
        examples = "; ".join(f"{name}: {example}" for name, example in missing.items())
        raise InputError(f"{where}: {len(missing)} fields are not known; state them, such as {examples}.")
    for said, remedy in description_faults(values, round_):
        raise InputError(f"{where}: {said}; {remedy[0].lower()}{remedy[1:]}")


def missing_fields(values: Mapping[str, Value]) -> dict[str, str]:
    """List the fields that must not be empty and are, each with an example."""
    return {
        name: field.example
        for name, field in required_fields().items()
        if not field.empty and not values.get(name)
    }


def description_faults(values: Mapping[str, Value], round_: Round) -> Iterator[tuple[str, str]]:
    """Find every fault of a description, and its remedy, as the official checker would or would crash on."""
    for name, field in required_fields().items():
        if name not in values:
            yield f"'{name}' is missing", f"State it, such as {field.example or 'an empty text'}."
        elif not field.empty and not values[name]:
            yield f"'{name}' is empty", f"State it, such as {field.example}."
    for name in _WHOLE_NUMBERS:
        if values.get(name) and not str(values[name]).isdigit():
            yield f"'{name}' is '{values[name]}'", "Write a whole number."
    for name, allowed in (("status", _STATUS), ("system_type", round_.system_types)):
        if values.get(name) and values[name] not in allowed:
            yield f"'{name}' is '{values[name]}'", f"Write one of {' | '.join(allowed)}."
    if "is_network" in values:
        yield "'is_network' is there", "Remove it; these divisions must not have it."
