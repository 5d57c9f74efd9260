"""What prompt files of all benchmarks have in common: proven sources, and texts whose hashes a round pins."""

import hashlib
from collections.abc import Mapping

from weighbridge.artifacts.proof import Proof
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import sha256_of


class UnexpectedSourceError(Exception):
    """The reference's source is not structured as expected."""


def require_texts(texts: Mapping[str, tuple[str, str]], pins: Mapping[str, str], origin: object) -> None:
    """Check that texts have the round's hashes.

    Args:
        texts: Name of the pin -> what errors call the text, and the text.
        pins: The round's sha256 of each text, by name.
        origin: Where the texts come from, named in errors.

    Raises:
        InputError: a text differs or the round does not pin it; the message names the text.
    """
    for name, (called, text) in texts.items():
        found, pin = hashlib.sha256(text.encode()).hexdigest(), pins.get(name)
        if found != pin:
            raise InputError(
                f"{origin}: the {called} has sha256 {found}, but the round pins {pin}; use its prompt."
            )


def proven_source(reference: Proof, path: str) -> str:
    """Return the text of one file of the reference or the official client, as it was when that was proven.

    Raises:
        SetupError: the file is missing, or has changed since.
    """
    entry = next((entry for entry in reference.files if entry.path == path), None)
    file = reference.folder / path
    if entry is None or not file.is_file() or sha256_of(file) != entry.sha256:
        raise SetupError(
            f"{file}: missing or changed since the {reference.kind} was verified; fetch it again."
        )
    return file.read_text(encoding="utf-8")


def unreadable_prompt(error: Exception) -> SetupError:
    """Return the error of a reference whose source is not structured as expected."""
    return SetupError(f"the official prompt cannot be read: {error}; correct the revision of its source.")
