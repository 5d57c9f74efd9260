"""The evidence that a tree carries: run records, verdicts, the requests' manifest and the artifacts' proofs.

It lies in src/<benchmark>/records/<system>/, because the official checkers accept further files only in src/:

    requests.json                          manifest of the request store
    model.json, dataset.json               proofs of the artifacts, without their folders
    model/..., dataset/...                 the JSON files of an artifact that the rules compare
    <Scenario>/performance.json            run.json of the performance run
    <Scenario>/accuracy.json               run.json of the accuracy run
    <Scenario>/verdict.json
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model, read_data
from weighbridge.records.run_record import RunRecord
from weighbridge.records.store_manifest import MANIFEST_FILE, StoreManifest
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.submission.tree import copy_file

REQUESTS = "requests.json"
KINDS = (ArtifactKind.MODEL, ArtifactKind.DATASET)
# An absolute path: a slash that continues neither a word, nor a relative path, nor a URL.
_PART = r"[^\s/:=,;\"'(){}\[\]]+"
_ABSOLUTE = re.compile(rf"(?<![\w./~-])/(?!/)(?:{_PART}/)*({_PART})/?")
_THIS_HOST = "not published"

AnyModel = TypeVar("AnyModel", bound=Model)


@dataclass(frozen=True)
class Evidence:
    """What was sent and served: the requests' manifest, and proofs of model and dataset."""

    requests: StoreManifest | None = None
    proofs: Mapping[ArtifactKind, Proof] | None = None

    @classmethod
    def of(cls, store: Path | None, proofs: list[Path]) -> "Evidence":
        """Read the evidence from a store's folder and the proofs' files.

        Raises:
            InputError: a file is missing or damaged.
        """
        read = [Proof.read(path) for path in proofs]
        return cls(
            requests=None if store is None else StoreManifest.read(store / MANIFEST_FILE),
            proofs={proof.kind: proof for proof in read},
        )

    def proof(self, kind: ArtifactKind) -> Proof | None:
        """Return the proof of an artifact; None: there is none."""
        return (self.proofs or {}).get(kind)

    def origin(self, kind: ArtifactKind) -> str | None:
        """Return repository and revision of an artifact as text; None: not known."""
        proof = self.proof(kind)
        return f"{proof.repo} at {proof.revision}" if proof and proof.repo and proof.revision else None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.requests is not None and all(self.proof(kind) for kind in KINDS)


def pins_of(round_: Round) -> dict[ArtifactKind, ArtifactPin | None]:
    """Return the artifacts that a round's rules name, by kind."""
    return {ArtifactKind.MODEL: round_.closed.model, ArtifactKind.DATASET: round_.closed.dataset}


def published(record: RunRecord) -> RunRecord:
    """Return a run's record without the machine's name, and with the last part of each absolute path alone.

    What the server was told stays readable; where its files lay is nobody's business and proves nothing.
    """
    without = without_places(record)
    return without.model_copy(update={"host": without.host.model_copy(update={"name": _THIS_HOST})})


def without_places(record: AnyModel) -> AnyModel:
    """Return a record with the last part of each absolute path alone."""
    values = _mapped(record.model_dump(mode="json"), lambda text: _ABSOLUTE.sub(r"\1", text))
    return type(record).parse(values, type(record).__name__)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _mapped(inner, change) for name, inner in value.items()}
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value


def write_scenario(folder: Path, performance: RunRecord, accuracy: RunRecord, verdict: Verdict) -> None:
    """Write the records of one scenario; run records as `published` returned them."""
    for mode, record in ((Mode.PERFORMANCE, performance), (Mode.ACCURACY, accuracy)):
        _write(folder / f"{mode}.json", record)
    _write(folder / VERDICT, without_places(verdict))


def write_evidence(folder: Path, evidence: Evidence, round_: Round) -> None:
    """Write what all scenarios have in common; what is not known is left out.

    Raises:
        InputError: a JSON file of an artifact that the rules compare cannot be read.
    """
    if evidence.requests is not None:
        _write(folder / REQUESTS, without_places(evidence.requests))
    for kind in KINDS:
        proof = evidence.proof(kind)
        if proof is None:
            continue
        values = proof.model_dump(mode="json", exclude={"folder"})
        write_atomic(folder / f"{kind}.json", json.dumps(values, indent=1, ensure_ascii=False) + "\n")
        pin = pins_of(round_)[kind]
        for name in sorted(pin.files) if pin else ():
            if (proof.folder / name).is_file():
                copy_file(proof.folder / name, folder / kind / name)


def read_evidence(folder: Path) -> Evidence:
    """Read what `write_evidence` wrote; a proof's folder is that of the copied JSON files.

    Raises:
        InputError: a file is damaged.
    """
    requests = folder / REQUESTS
    proofs = {}
    for kind in KINDS:
        path = folder / f"{kind}.json"
        if path.is_file():
            values = read_data(path)
            place = {"folder": str(folder / kind)}
            proofs[kind] = Proof.parse(values | place if isinstance(values, dict) else values, str(path))
    return Evidence(StoreManifest.read(requests) if requests.is_file() else None, proofs)


def _write(path: Path, record: Model) -> None:
    write_atomic(path, record.model_dump_json(indent=1) + "\n")
