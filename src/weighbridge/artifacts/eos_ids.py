"""The ids of the tokens with which a model ends its answers, as its own files say."""

from typing import Any

from weighbridge.artifacts.pinned_values import proven_json
from weighbridge.artifacts.proof import Proof
from weighbridge.core.errors import InputError

EOS_FILES = ("generation_config.json", "config.json")
"""The files of a model that may say it; the first that does counts."""
_KEY = "eos_token_id"


def eos_ids_of(model: Proof) -> tuple[int, ...]:
    """Return the ids that end an answer of a proven model; empty if its files name none.

    Raises:
        InputError: a file is not in the model's folder, was changed, or names something else than ids.
    """
    for name in EOS_FILES:
        values = proven_json(model, name)
        found = values.get(_KEY) if isinstance(values, dict) else None
        if found is not None:
            return _ids(found, f"{model.folder / name}: '{_KEY}'")
    return ()


def _ids(found: Any, place: str) -> tuple[int, ...]:
    ids = found if isinstance(found, list) else [found]
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in ids):
        raise InputError(f"{place} is {str(found)[:80]}, neither a token's id nor a list of such.")
    return tuple(ids)
