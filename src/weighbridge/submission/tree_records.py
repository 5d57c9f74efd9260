"""The evidence that a tree carries: run records, verdicts, the requests' manifest and the artifacts' proofs.

It lies in src/<benchmark>/records/<system>/, because the official checkers accept further files only in src/:

    requests.json                          manifest of the request store
    model.json, dataset.json               proofs of the artifacts, without their folders
    client-rows.json                       proof of the rows of the dataset that the official client read
    requests-NAME.json, dataset-NAME.json, client-rows-NAME.json
                                           the same of the round's further datasets that scenarios use
    model/..., dataset/...                 the JSON files of an artifact that the gates read
    <Scenario>/performance.json            run.json of the performance run that is the result
    <Scenario>/accuracy.json               run.json of the accuracy run
    <Scenario>/TEST06.json                 run.json of a compliance run, by its name
    <Scenario>/verdict.json
    <Scenario>/score.json, <Scenario>/performance/..., <Scenario>/accuracy/...   evidence.py
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from weighbridge.artifacts.eos_ids import EOS_FILES
from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.config.dataset_rules import name_with_dataset
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_dataset
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model, read_data
from weighbridge.gates.closed_checks import DatasetInputs, Inputs
from weighbridge.records.client_rows import ClientRows
from weighbridge.records.run_record import RunRecord
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.serving.server_environment import without_secrets
from weighbridge.submission.tree import copy_file

# An absolute path: a slash that continues neither a word, nor a relative path, nor a URL but that of a file.
_PART = r"[^\s/:=,;\"'(){}\[\]]+"
_ABSOLUTE = re.compile(rf"(?:(?<![\w./~-])|(?<=file://))/(?!/)(?:{_PART}/)*({_PART})/?")
_THIS_HOST = "not published"

AnyModel = TypeVar("AnyModel", bound=Model)


def proofs_of(inputs: Inputs) -> dict[ArtifactKind, Proof | None]:
    """Return the proofs of model and dataset; None where there is none."""
    return {ArtifactKind.MODEL: inputs.model, ArtifactKind.DATASET: inputs.dataset}


def are_complete(inputs: Inputs) -> bool:
    """Return whether both proofs and the requests' manifest of one dataset are there."""
    return inputs.store is not None and all(proofs_of(inputs).values())


def origin_of(proof: Proof | None) -> str | None:
    """Return repository and revision of an artifact as text; None: not known."""
    return f"{proof.repo} at {proof.revision}" if proof and proof.repo and proof.revision else None


def pins_of(round_: Round) -> dict[ArtifactKind, ArtifactPin | None]:
    """Return the artifacts that a round's rules name, by kind."""
    return {ArtifactKind.MODEL: round_.closed.model, ArtifactKind.DATASET: round_.closed.dataset}


def published(record: RunRecord) -> RunRecord:
    """Return a run's record without the machine's name and keys, and of absolute paths the last part alone.

    What the server was told stays readable; where its files lay is nobody's business and proves nothing.
    """
    without = without_places(record)
    # Earlier releases recorded the values of keys too.
    environment = without_secrets(without.server.environment)
    return without.model_copy(
        update={
            "host": without.host.model_copy(update={"name": _THIS_HOST}),
            "server": without.server.model_copy(update={"environment": environment}),
        }
    )


def without_places(record: AnyModel) -> AnyModel:
    """Return a record with the last part of each absolute path alone."""
    values = _mapped(
        record.model_dump(mode="json", exclude_unset=True), lambda text: _ABSOLUTE.sub(r"\1", text)
    )
    return type(record).parse(values, type(record).__name__)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _mapped(inner, change) for name, inner in value.items()}
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value


def run_in_tree(name: str, verdict: Verdict) -> str:
    """Return a run's name in the run directory by its name in the tree, which holds one performance run."""
    return verdict.chosen_run if name == Mode.PERFORMANCE else name


def _as_in_tree(verdict: Verdict) -> Verdict:
    """Return a verdict whose checks name the runs as the tree does."""
    if verdict.performance_runs is None:
        return verdict
    checks = tuple(
        check.model_copy(update={"run": str(Mode.PERFORMANCE)}) if check.run == verdict.chosen_run else check
        for check in verdict.checks
    )
    return verdict.model_copy(update={"checks": checks})


def write_scenario(folder: Path, records: Mapping[str, RunRecord], verdict: Verdict) -> None:
    """Write the records of one scenario; run records, by the runs' names, as `published` returned them."""
    for run, record in records.items():
        _write(folder / f"{run}.json", record)
    _write(folder / VERDICT, without_places(_as_in_tree(verdict)))


def write_inputs(folder: Path, inputs: Inputs, round_: Round) -> None:
    """Write what the runs of all scenarios were made from; what is not known is left out.

    Raises:
        InputError: a JSON file of an artifact that the gates read cannot be read, or the round has no such
            further dataset.
    """
    for kind, proof in proofs_of(inputs).items():
        _write_proof(folder, str(kind), proof, _files_read(kind, round_))
    _write_made(folder, None, inputs)
    for dataset, of in inputs.further.items():
        files = _files_read(ArtifactKind.DATASET, round_of_dataset(round_, dataset))
        _write_proof(folder, name_with_dataset(ArtifactKind.DATASET, dataset), of.dataset, files)
        _write_made(folder, dataset, of)


def _write_made(folder: Path, dataset: str | None, inputs: Inputs | DatasetInputs) -> None:
    """Write what was made of a dataset: the requests' manifest, and the official client's rows."""
    if inputs.store is not None:
        _write(folder / requests_file(dataset), without_places(inputs.store))
    if inputs.rows is not None:
        _write(folder / rows_file(dataset), without_places(inputs.rows))


def _write_proof(folder: Path, stem: str, proof: Proof | None, files: Sequence[str]) -> None:
    """Write a proof without its folder, and copies of those of its files that are there."""
    if proof is None:
        return
    values = proof.model_dump(mode="json", exclude={"folder"})
    write_atomic(folder / f"{stem}.json", json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    for name in files:
        if (proof.folder / name).is_file():
            copy_file(proof.folder / name, folder / stem / name)


def _files_read(kind: ArtifactKind, round_: Round) -> list[str]:
    """Return the JSON files of an artifact that the gates read."""
    pin = pins_of(round_).get(kind)
    names = set(pin.files) if pin else set()
    tested = any(rules.compliance_runs for rules in round_.scenarios.values())
    return sorted(names | set(EOS_FILES) if tested and kind is ArtifactKind.MODEL else names)


def read_inputs(folder: Path) -> Inputs:
    """Read what `write_inputs` wrote; a proof's folder is that of the copied JSON files.

    Raises:
        InputError: a file is damaged.
    """
    return Inputs(
        model=_proof(folder, ArtifactKind.MODEL),
        dataset=_proof(folder, ArtifactKind.DATASET),
        store=_store(folder, None),
        rows=_rows(folder, None),
        further={
            name: DatasetInputs(
                _proof(folder, name_with_dataset(ArtifactKind.DATASET, name)),
                _store(folder, name),
                _rows(folder, name),
            )
            for name in _further_datasets(folder)
        },
    )


def requests_file(dataset: str | None) -> str:
    """Return the name of the file with the manifest of the requests that are made of a dataset."""
    return f"{name_with_dataset('requests', dataset)}.json"


def rows_file(dataset: str | None) -> str:
    """Return the name of the file with the proof of the official client's rows of a dataset."""
    return f"{name_with_dataset('client-rows', dataset)}.json"


def _further_datasets(folder: Path) -> list[str]:
    """Return the names of the further datasets of which the folder has records."""
    found = [
        path.stem.removeprefix(start)
        for start in (f"{ArtifactKind.DATASET}-", "requests-", "client-rows-")
        for path in sorted(folder.glob(f"{start}*.json"))
    ]
    return list(dict.fromkeys(found))


def _store(folder: Path, dataset: str | None) -> StoreManifest | None:
    path = folder / requests_file(dataset)
    return StoreManifest.read(path) if path.is_file() else None


def _rows(folder: Path, dataset: str | None) -> ClientRows | None:
    path = folder / rows_file(dataset)
    return ClientRows.read(path) if path.is_file() else None


def _proof(folder: Path, stem: str) -> Proof | None:
    path = folder / f"{stem}.json"
    if not path.is_file():
        return None
    values = read_data(path)
    place = {"folder": str(folder / stem)}
    return Proof.parse(values | place if isinstance(values, dict) else values, str(path))


def _write(path: Path, record: Model) -> None:
    write_atomic(path, record.model_dump_json(indent=1, exclude_unset=True) + "\n")
