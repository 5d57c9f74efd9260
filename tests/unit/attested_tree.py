"""A small tree with all its evidence, attested and signed, for tests that damage it."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from request_files import PROMPT
from tree_evidence import CLOSED, build, inputs_in, write_judged

from weighbridge.artifacts.proof import Proof
from weighbridge.provenance.attest import ATTESTATION, attest
from weighbridge.provenance.judged_again import Originals
from weighbridge.provenance.signing import signer_of
from weighbridge.provenance.verification import Asked, Verification, verify_tree
from weighbridge.submission.tree import manifest_of, pack

RECORDS = "closed/Me/src/qwen3-vl-235b-a22b/records/box"
RESULTS = "closed/Me/results/box/qwen3-vl-235b-a22b"


@dataclass(frozen=True)
class Attested:
    """The folder of a tree's archive and of all that belongs to it."""

    root: Path

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def archive(self) -> Path:
        return self.root / "tree.tar.gz"

    @property
    def attestation(self) -> Path:
        return self.root / ATTESTATION

    @property
    def key(self) -> Path:
        return self.root / "key.pem"

    @property
    def public(self) -> Path:
        return self.root / "key.pub"

    @property
    def originals(self) -> Originals:
        return Originals(self.root / "originals", (Proof.read(self.root / "dataset.json"),), PROMPT)

    def attest(self, signed: bool = True) -> None:
        signer = signer_of(self.key.read_bytes()) if signed else None
        attest(self.archive, CLOSED, reference=None, signer=signer, output=self.attestation)

    def edit(self, name: str, change: Callable[[bytes], bytes | None]) -> None:
        """Change a file of the tree, and pack the tree again; None removes the file."""
        path = self.tree / name
        content = change(path.read_bytes())
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        self.pack()

    def pack(self) -> None:
        pack(self.tree, manifest_of(self.tree))

    def verify(self, **asked: object) -> Verification:
        chosen = Asked(self.archive, key=self.public, round_=CLOSED)
        return verify_tree(replace(chosen, **asked))  # type: ignore[arg-type]


def make_key(folder: Path, name: str) -> None:
    """Write NAME.pem and NAME.pub, as docs/attestation.md says."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    private.chmod(0o600)


def openssl(*arguments: object) -> None:
    """Run openssl, which users make their keys with."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def write_attested(root: Path) -> Attested:
    """Write the tree and its attestation."""
    make_key(root, "key")
    inputs = inputs_in(root)
    assert inputs.dataset is not None
    inputs.dataset.write(root / "dataset.json")
    write_judged(root, inputs)
    build(root, inputs)
    attested = Attested(root)
    attested.attest()
    return attested


def failures(done: Verification) -> dict[str, str]:
    """Return what each failed check found, by its name."""
    return {check.name: str(check.value) for check in done.failed}
