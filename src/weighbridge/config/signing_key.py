"""The private key that signs an attestation: where the settings say it is, checked without reading more.

Nothing here writes or shows the key's text. It needs the standard library alone, so that a plan can ask.
"""

from collections.abc import Mapping
from pathlib import Path

from weighbridge.core.errors import InputError

# Whoever else could read the key could sign as its owner.
_OTHERS = 0o077
_LARGEST_BYTES = 64 << 10  # a PEM file of one key has some hundred bytes


def key_text(
    variable: str | None, file: Path | None, environ: Mapping[str, str], private: Mapping[str, Path]
) -> bytes | None:
    """Return the text of the key that the settings name; None if they name none.

    Args:
        variable: submission.signing_key_env.
        file: submission.signing_key_file.
        environ: The environment.
        private: Folders that must not hold the key, by how they are called: what lies there is published.

    Raises:
        InputError: both are named, the variable is not set, or the file lies in such a folder, can be read by
            others, or cannot be read at all.
    """
    if variable is not None and file is not None:
        raise InputError(
            "submission.signing_key_env and signing_key_file both name a key; remove one of them."
        )
    if variable is not None:
        text = environ.get(variable, "")
        if not text.strip():
            raise InputError(
                f"submission.signing_key_env: the variable {variable} is not set; set it to the key's "
                "PEM text, or remove the setting, and the attestation will not be signed."
            )
        return text.encode(errors="replace")
    return None if file is None else _read(file, private)


def _read(file: Path, private: Mapping[str, Path]) -> bytes:
    origin = f"submission.signing_key_file: {file}"
    try:
        place = file.resolve(strict=True)
        for name, folder in private.items():
            if place.is_relative_to(folder.resolve()):
                raise InputError(
                    f"{origin} lies in {name}, whose files are copied and published; move the key elsewhere."
                )
        mode = place.stat().st_mode & 0o777
        if mode & _OTHERS:
            raise InputError(
                f"{origin} can be read by others (mode {mode:o}); run `chmod 600` on it, and make a new key "
                "if others use this machine."
            )
        with place.open("rb") as stream:
            text = stream.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{origin} cannot be read ({error.strerror}); name an existing file.") from None
    if len(text) > _LARGEST_BYTES:
        raise InputError(f"{origin} is no key: it is larger than {_LARGEST_BYTES >> 10} KB.")
    return text
