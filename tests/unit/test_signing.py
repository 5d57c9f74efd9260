"""Keys that sign: where they may lie, which are taken, and whose a signature is."""

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from weighbridge.config.signing_key import key_text
from weighbridge.core.errors import InputError
from weighbridge.provenance.signing import is_signed_by, opened, public_key_in, sealed, signer_of

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with keys as users make them, with openssl."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "other"):
        openssl("genpkey", "-algorithm", "ed25519", "-out", folder / f"{name}.pem")
        openssl("pkey", "-in", folder / f"{name}.pem", "-pubout", "-out", folder / f"{name}.pub")
    openssl(
        "pkey", "-in", folder / "ours.pem", "-aes256", "-passout", "pass:x", "-out", folder / "locked.pem"
    )
    openssl("genpkey", "-algorithm", "x25519", "-out", folder / "x25519.pem")
    openssl("pkey", "-in", folder / "x25519.pem", "-pubout", "-out", folder / "x25519.pub")
    for path in folder.iterdir():
        path.chmod(0o600)
    return folder


def _sealed(folder: Path, keys: Path, name: str | None) -> Path:
    signer = signer_of((keys / f"{name}.pem").read_bytes()) if name else None
    path = folder / "attestation.json"
    path.write_text(sealed(PAYLOAD, signer))
    return path


def test_a_signature_is_that_of_its_key_alone(keys: Path, tmp_path: Path) -> None:
    path = _sealed(tmp_path, keys, "ours")
    envelope = opened(path)
    assert envelope.payload == PAYLOAD
    assert is_signed_by(envelope, public_key_in(keys / "ours.pub"))
    assert not is_signed_by(envelope, public_key_in(keys / "other.pub"))
    assert path.read_text() == _sealed(tmp_path, keys, "ours").read_text(), "the same bytes again"


def test_an_envelope_without_a_key_has_no_signature(keys: Path, tmp_path: Path) -> None:
    envelope = opened(_sealed(tmp_path, keys, None))
    assert not envelope.signatures
    assert not is_signed_by(envelope, public_key_in(keys / "ours.pub"))


def test_openssl_alone_confirms_a_signature(keys: Path, tmp_path: Path) -> None:
    envelope = json.loads(_sealed(tmp_path, keys, "ours").read_text())
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    (tmp_path / "signed").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    verify = ["pkeyutl", "-verify", "-pubin", "-inkey", keys / "ours.pub", "-rawin"]
    openssl(*verify, "-in", tmp_path / "signed", "-sigfile", tmp_path / "signature")


@pytest.mark.parametrize("field", ["payload", "sig", "keyid", "no keyid"])
def test_an_edited_envelope(field: str, keys: Path, tmp_path: Path) -> None:
    path = _sealed(tmp_path, keys, "ours")
    envelope = json.loads(path.read_text())
    if field == "payload":
        envelope["payload"] = base64.b64encode(PAYLOAD.replace(b"v1", b"v2")).decode()
    elif field == "sig":
        envelope["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    elif field == "keyid":
        envelope["signatures"][0]["keyid"] = "whose?"
    else:
        del envelope["signatures"][0]["keyid"]
    path.write_text(json.dumps(envelope))
    # The id of a key is a hint: it neither makes a signature nor breaks it.
    assert is_signed_by(opened(path), public_key_in(keys / "ours.pub")) is ("keyid" in field)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"payload": 3, "payloadType": "x", "signatures": []}',
        '{"payload": "!", "payloadType": "x", "signatures": []}',
        '{"payload": "", "payloadType": "x", "signatures": [3]}',
        '{"payload": "", "payloadType": "x", "signatures": [{"sig": 3}]}',
        '{"payload": "", "payloadType": "x", "signatures": [{"sig": "", "keyid": []}]}',
        '{"payload": "", "payloadType": "text/plain", "signatures": []}',
    ],
)
def test_what_is_no_envelope_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "attestation.json").write_text(text)
    with pytest.raises(InputError) as refused:
        opened(tmp_path / "attestation.json")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("locked.pem", "is encrypted, and no job can ask"),
        ("x25519.pem", "is not an ed25519 key"),
        ("ours.pub", "is no private key in PEM"),
    ],
)
def test_only_an_open_ed25519_key_signs(name: str, said: str, keys: Path) -> None:
    with pytest.raises(InputError, match=said) as refused:
        signer_of((keys / name).read_bytes())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("ours.pem", "is no public key"), ("x25519.pub", "is not an ed25519 key"), ("none", "cannot be read")],
)
def test_only_a_public_ed25519_key_checks(name: str, said: str, keys: Path) -> None:
    with pytest.raises(InputError, match=said):
        public_key_in(keys / name)


def test_a_key_comes_from_a_variable_or_a_file(keys: Path, tmp_path: Path) -> None:
    text = (keys / "ours.pem").read_bytes()
    assert key_text("KEY", None, {"KEY": text.decode()}, {}) == text
    assert key_text(None, keys / "ours.pem", {}, {"the project": tmp_path}) == text
    assert key_text(None, None, {"KEY": "unused"}, {}) is None
    with pytest.raises(InputError, match="both name a key"):
        key_text("KEY", keys / "ours.pem", {"KEY": text.decode()}, {})


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " \n"}])
def test_a_variable_that_is_not_set_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"signing_key_env: the variable KEY is not set"):
        key_text("KEY", None, environ, {})


def test_a_file_of_the_project_or_of_everybody_is_refused(keys: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ours\.pem lies in the project"):
        key_text(None, keys / "ours.pem", {}, {"the project": keys.parent})
    link = tmp_path / "link.pem"
    link.symlink_to(keys / "ours.pem")
    with pytest.raises(InputError, match="lies in the project"):
        key_text(None, link, {}, {"the project": keys})
    copy = tmp_path / "copy.pem"
    copy.write_bytes((keys / "ours.pem").read_bytes())
    for mode in (0o640, 0o604, 0o660):
        copy.chmod(mode)
        with pytest.raises(InputError, match=f"can be read by others .mode {mode:o}.; run `chmod 600`"):
            key_text(None, copy, {}, {})


def test_a_file_that_is_no_key_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        key_text(None, tmp_path / "none.pem", {}, {})
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    with pytest.raises(InputError, match="cannot be read"):
        key_text(None, folder, {}, {})
    large = tmp_path / "large"
    large.touch(0o600)
    os.truncate(large, 1 << 20)
    with pytest.raises(InputError, match="larger than 64 KB"):
        key_text(None, large, {}, {})
