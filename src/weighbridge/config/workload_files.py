"""Find workloads by name in the package, or in a file, and lay a user's values over them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from weighbridge.config.refused_secrets import refuse_secrets
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data

PRESETS = Path(__file__).parents[1] / "workloads"
LIKE = "like"
# Whose keys are laid over one by one; any other value, such as a distribution, is replaced as a whole.
_SECTIONS = {("source",), ("source", "text"), ("source", "images"), ("sampling",), ("slo",)}


def preset_names() -> tuple[str, ...]:
    """Return the names of the workloads that come with the package."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def resolve_workload(
    name_or_path: str, overrides: Mapping[str, Any] | None = None, *, root: Path | None = None
) -> Workload:
    """Return the workload that a name in the package or a file describes.

    Args:
        name_or_path: Such as chat, or workloads/mine.yaml.
        overrides: Keys of a workload, laid over those of the file.
        root: Where relative paths start; None: they stay as written.

    Raises:
        InputError: there is none of this name, a value is wrong, or one holds a secret.
    """
    path = PRESETS / f"{name_or_path}.yaml"
    if name_or_path not in preset_names():
        path = Path(name_or_path) if root is None else root / name_or_path
    if not path.is_file():
        raise InputError(
            f"{name_or_path}: is neither a file nor one of the workloads {', '.join(preset_names())}; "
            "correct it."
        )
    data = read_data(path)
    if isinstance(data, dict) and overrides:
        data = _laid_over(data, overrides, ())
    origin = str(path) if not overrides else f"{path} with other values"
    refuse_secrets(data, origin)
    return Workload.parse(data, origin, context=None if root is None else {"root": root})


def _laid_over(base: Mapping[str, Any], over: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        here, old = (*place, str(key)), base.get(key)
        merged[key] = value
        if here in _SECTIONS and isinstance(value, Mapping) and isinstance(old, Mapping):
            # Another kind of source has other keys.
            same = value.get("kind", old.get("kind")) == old.get("kind")
            merged[key] = _laid_over(old if same else {}, value, here)
    return merged


def _resolved(data: Any, info: ValidationInfo) -> Any:
    context = info.context or {}
    root = Path(context["root"]) if "root" in context else None
    if isinstance(data, str):
        data = {LIKE: data}
    if not isinstance(data, dict) or LIKE not in data:
        return data
    overrides = {key: value for key, value in data.items() if key != LIKE}
    try:
        return resolve_workload(str(data[LIKE]), overrides, root=root)
    except InputError as error:
        raise ValueError(str(error).removesuffix(".")) from None


WrittenWorkload = Annotated[
    Workload, BeforeValidator(_resolved, json_schema_input_type=Workload | dict[str, Any] | str)
]
"""A workload in a sweep's file: its keys; a name or file; or `like: NAME` and the keys that differ."""
