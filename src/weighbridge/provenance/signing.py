"""Sign a statement with an ed25519 key in a DSSE envelope, and check such a signature."""

import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error, UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey

from weighbridge.core.errors import InputError
from weighbridge.core.models import read_json, read_text

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MAKE_ONE = "make one with `openssl genpkey -algorithm ed25519 -out key.pem`"


def signer_of(text: bytes) -> CryptoSigner:
    """Return the signer of a private key.

    Args:
        text: The key as PEM (PKCS 8), not encrypted.

    Raises:
        InputError: it is no such key. The message holds nothing of the text.
    """
    try:
        key = load_pem_private_key(text, password=None)
    except TypeError:
        raise InputError(
            "the signing key is encrypted, and no job can ask for its password; decrypt it with "
            f"`openssl pkey`, or {_MAKE_ONE}."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"the signing key is no private key in PEM; {_MAKE_ONE}.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"the signing key is not an ed25519 key; {_MAKE_ONE}.")
    return CryptoSigner(key)


def public_key_in(path: Path) -> Ed25519PublicKey:
    """Read a public ed25519 key from a PEM file.

    Raises:
        InputError: the file cannot be read, or is no such key.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a public key.") from None
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(
            f"{path}: is no public key in PEM; `openssl pkey -in key.pem -pubout` prints a private key's."
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path}: is not an ed25519 key, as attestations are signed with.")
    return key


def sealed(payload: bytes, signer: CryptoSigner | None) -> str:
    """Return the envelope of a payload as JSON text; without a signer it has no signatures.

    ed25519 is deterministic: the same payload and key give the same text.
    """
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    if signer is not None:
        envelope.sign(signer)
    return json.dumps(envelope.to_dict(), indent=1) + "\n"


def opened(path: Path) -> Envelope:
    """Read an envelope of an in-toto statement.

    Raises:
        InputError: the file cannot be read, or is no such envelope.
    """
    data: Any = read_json(read_text(path), str(path))
    try:
        for signature in data["signatures"]:
            signature.setdefault("keyid", "")  # the format lets it be left out
        envelope = Envelope.from_dict(data)
    except (KeyError, TypeError, ValueError, AttributeError, Error):
        raise InputError(
            f"{path}: is no envelope of a signed statement (DSSE); pass attestation.json of the tree."
        ) from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise InputError(f"{path}: holds {envelope.payload_type}, not an in-toto statement.")
    return envelope


def is_signed_by(envelope: Envelope, key: Ed25519PublicKey) -> bool:
    """Return whether a signature of the envelope is the key's.

    The id that a signature gives of its key is a hint that nothing protects, so every signature is tried.
    """
    known = SSlibKey.from_crypto(key)
    for signature in envelope.signatures.values():
        try:
            known.verify_signature(Signature(known.keyid, signature.signature), envelope.pae())
        except UnverifiedSignatureError:
            continue
        return True
    return False
