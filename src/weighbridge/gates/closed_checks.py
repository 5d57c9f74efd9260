"""Checks of what the closed division fixes: model, dataset, and how the requests are built."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.pinned_values import differing_values
from weighbridge.artifacts.proof import Proof
from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.config.dataset_rules import name_with_dataset
from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.gates.request_checks import request_checks
from weighbridge.records.client_rows import ClientRows
from weighbridge.records.run_record import RunRecord
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.records.verdict import Check, Gate

_SHOWN_DIGITS = 12  # of a hash
_FILES = {"loadgen": "LoadGen's logs", "endpoints": "The official client's files"}


@dataclass(frozen=True)
class DatasetInputs:
    """What runs of scenarios with one of the round's further datasets were made from, as far as it is known.

    Attributes:
        dataset: Proof of that dataset.
        store: Manifest of the request store that was made of it.
        rows: Proof of the rows that the official client read of it.
    """

    dataset: Proof | None = None
    store: StoreManifest | None = None
    rows: ClientRows | None = None


@dataclass(frozen=True)
class Inputs:
    """What the runs were made from, as far as it was passed to the gate.

    Attributes:
        model: Proof of the model.
        dataset: Proof of the dataset.
        store: Manifest of the request store.
        prompt: The benchmark's prompt file, which scoring needs where there is one.
        rows: Proof of the rows that the official client read, where it issued the requests.
        further: Dataset and store of scenarios that use another dataset than the round's, by its name.
        of: Which of the round's further datasets these are; None: its own.
    """

    model: Proof | None = None
    dataset: Proof | None = None
    store: StoreManifest | None = None
    prompt: Path | None = None
    rows: ClientRows | None = None
    further: Mapping[str, DatasetInputs] = field(default_factory=dict)
    of: str | None = None

    @property
    def dataset_option(self) -> str:
        """The option that passes the dataset's proof, as remedies name it."""
        file = f"resources/{name_with_dataset('dataset', self.of)}.json"
        further = f" (with --logs, --further-dataset {self.of}={file})" if self.of else ""
        return f"--artifact {file}{further}"

    @property
    def store_option(self) -> str:
        """The option that passes the manifest of the requests, as remedies name it."""
        file = f"resources/{name_with_dataset('requests', self.of)}/manifest.json"
        further = f" (with --logs, --further-store {self.of}={file})" if self.of else ""
        return f"--store {file}{further}"

    def of_dataset(self, name: str | None) -> "Inputs":
        """Return what the runs of scenarios with one of the round's further datasets were made from.

        Args:
            name: The dataset; None: the round's own. What is not known of it is None.
        """
        if name is None:
            return self
        found = self.further.get(name, DatasetInputs())
        return replace(self, dataset=found.dataset, store=found.store, rows=found.rows, further={}, of=name)

    @classmethod
    def read(
        cls,
        proofs: Iterable[Path],
        store: Path | None,
        prompt: Path | None = None,
        rows: Path | None = None,
        further_datasets: Mapping[str, Path] | None = None,
        further_stores: Mapping[str, Path] | None = None,
        further_rows: Mapping[str, Path] | None = None,
    ) -> "Inputs":
        """Read proof files, of artifacts of any kind, manifests of request stores, the proof of rows.

        Where an artifact's folder is not on this machine, a folder beside its proof may hold copies of the
        files that are read of it: the proof's hashes show that these are the same. It is named after the
        artifact's kind, that of a dataset as the proof's file, because a round may have several.

        Raises:
            InputError: a file is missing or damaged, or two of `proofs` are of one kind, or that of a further
                dataset is of another kind.
        """
        by_kind: dict[ArtifactKind, Proof] = {}
        for path in proofs:
            proof = _proof_with_files(path)
            if proof.kind in by_kind:
                raise InputError(f"{path}: is a second proof of a {proof.kind}; pass that of the runs alone.")
            by_kind[proof.kind] = proof
        datasets = {name: _dataset_proof(path) for name, path in (further_datasets or {}).items()}
        stores = {name: StoreManifest.read(path) for name, path in (further_stores or {}).items()}
        all_rows = {name: ClientRows.read(path) for name, path in (further_rows or {}).items()}
        return cls(
            model=by_kind.get(ArtifactKind.MODEL),
            dataset=by_kind.get(ArtifactKind.DATASET),
            store=StoreManifest.read(store) if store is not None else None,
            prompt=prompt,
            rows=ClientRows.read(rows) if rows is not None else None,
            further={
                name: DatasetInputs(datasets.get(name), stores.get(name), all_rows.get(name))
                for name in dict.fromkeys((*datasets, *stores, *all_rows))
            },
        )


NO_INPUTS = Inputs()


def _dataset_proof(path: Path) -> Proof:
    proof = _proof_with_files(path)
    if proof.kind is not ArtifactKind.DATASET:
        raise InputError(f"{path}: is the proof of a {proof.kind}; pass that of the further dataset.")
    return proof


def _proof_with_files(path: Path) -> Proof:
    proof = Proof.read(path)
    several = proof.kind is ArtifactKind.DATASET
    beside = path.with_suffix("") if several else path.parent / proof.kind
    here = proof.folder.is_dir() or not beside.is_dir()
    return proof if here else proof.model_copy(update={"folder": beside})


def closed_checks(records: Sequence[RunRecord], inputs: Inputs, round_: Round) -> list[Check]:
    """Check model, dataset and requests of a scenario's runs; what the round does not fix is not checked.

    Without run.json of any run, all of it is one check, which is unknown.
    """
    rules = round_.closed
    gate = Gate(None)
    if rules.are_empty:
        return []
    if not records:
        gate.unknown(
            "closed-division settings",
            "as the round fixes them",
            f"{_FILES[round_.evidence]} do not show model, dataset, requests and server arguments; repeat "
            "the runs with `weighbridge run`, or prove these settings to the reviewers otherwise.",
        )
        return gate.checks
    if rules.model is not None:
        _model(gate, rules.model, inputs.model, records)
    if rules.dataset is not None:
        _dataset(gate, rules.dataset, inputs, records)
    # The official client builds its own requests; what it was told of them is in its configuration.
    if rules.requests is not None and round_.evidence == "loadgen":
        pass_store = f"Pass the request store's manifest: {inputs.store_option}."
        return [*gate.checks, *request_checks(rules.requests, inputs.store, records, round_, pass_store)]
    return gate.checks


def _named(repo: str | None, revision: str | None) -> str:
    return f"{repo or 'no repository'} at {(revision or 'no revision')[:_SHOWN_DIGITS]}"


def _model(gate: Gate, pin: ArtifactPin, proof: Proof | None, records: Sequence[RunRecord]) -> None:
    name, limit = "model", _named(pin.repo, pin.revision)
    if proof is None:
        gate.unknown(name, limit, "Pass the model's proof: --artifact resources/model.json.")
        return
    if any(record.pins.get("model") != proof.manifest_digest for record in records):
        value = f"manifest {proof.manifest_digest[:_SHOWN_DIGITS]}, not the runs'"
        remedy = "The proof belongs to another model than the runs; pass theirs, or repeat them."
        gate.holds(name, value, limit, False, remedy)
        return
    pinned = (proof.repo, proof.revision) == (pin.repo, pin.revision)
    if not pinned and not pin.files:
        gate.holds(name, _named(proof.repo, proof.revision), limit, False, f"Use {limit}, and repeat.")
        return
    own = f"own weights, manifest {proof.manifest_digest[:_SHOWN_DIGITS]}"
    value = _named(proof.repo, proof.revision) if pinned else own
    try:
        differing = differing_values(proof, pin)
    except InputError as error:
        files = " and ".join(pin.files)
        remedy = (
            f"Copy {files} of the model into a folder model/ beside the proof, or judge where the model's "
            f"folder can be read: {error}"
        )
        gate.holds(name, value, limit, None, remedy)
        return
    if differing:
        remedy = (
            f"This is another model than {limit}, or its configuration was changed; use that, and repeat."
        )
        gate.holds(name, f"{value}; {'; '.join(differing)}", limit, False, remedy)
        return
    values = f"; {' and '.join(pin.files)} as pinned" if pin.files else ""
    if proof.without_weights:
        remedy = (
            "Endpoints served the weights, and only tokenizer and configuration were proven; set "
            "artifacts.model.weights to true where a copy of the served weights can be read or fetched, and "
            "repeat both runs."
        )
        gate.holds(name, f"{value}{values}; weights not proven", limit, None, remedy)
        return
    gate.holds(name, f"{value}{values}", limit if pinned else f"{limit}, or its values", True, "")


def _dataset(gate: Gate, pin: ArtifactPin, inputs: Inputs, records: Sequence[RunRecord]) -> None:
    name, limit = "dataset", _named(pin.repo, pin.revision)
    proof, store = inputs.dataset, inputs.store
    if proof is None or store is None:
        missing = [
            option
            for option, given in (
                (inputs.dataset_option, proof),
                (inputs.store_option, store),
            )
            if given is None
        ]
        gate.unknown(name, limit, f"Pass what proves the dataset: {' and '.join(missing)}.")
        return
    value = _named(proof.repo, proof.revision)
    proven = {entry.path: entry.sha256 for entry in proof.files}
    if not store.dataset or any(proven.get(path) != sha256 for path, sha256 in store.dataset.items()):
        gate.holds(
            name,
            "the requests were built from other files",
            limit,
            False,
            "Build the requests again from the proven dataset, and repeat both runs.",
        )
    elif any(record.pins.get("dataset") != store.dataset_digest for record in records):
        gate.holds(
            name,
            "the runs used other requests",
            limit,
            False,
            "Pass the proof and the manifest that the runs were made with, or repeat them.",
        )
    elif proof.repo is None:
        # A folder of the user's own: the rules name no hashes that it could be compared with.
        gate.holds(
            name,
            f"a folder, manifest {proof.manifest_digest[:_SHOWN_DIGITS]}",
            limit,
            None,
            "Nothing shows where the folder is from; fetch the dataset by artifacts.dataset.repo and "
            "revision, or name them beside its path.",
        )
    else:
        pinned = (proof.repo, proof.revision) == (pin.repo, pin.revision)
        gate.holds(name, value, limit, pinned, f"Use {limit}, and repeat both runs.")
