"""Rules on what a tree's runs were made from: the same as proven, and as the closed division fixes it."""

import json
from collections.abc import Iterator
from pathlib import Path

from weighbridge.artifacts.manifest import Manifest
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.declared_weights import declaration_fault, is_pinned
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.gates.closed_checks import Inputs, closed_checks
from weighbridge.gates.record_checks import one_run_checks, record_checks, same_system_checks
from weighbridge.gates.server_checks import quantised_by, server_checks
from weighbridge.records.check_record import Complaint
from weighbridge.records.run_record import DETAIL, RunRecord
from weighbridge.submission.checker.recorded_scenario import RecordedScenario
from weighbridge.submission.checker.tree_paths import AGAIN
from weighbridge.submission.measurements import examples_of
from weighbridge.submission.tree import RUN_FOLDERS, run_logs
from weighbridge.submission.tree_records import are_complete, proofs_of, requests_file, rows_file

# Checks of the gate that record_rules and mark_rules make: the tree has not all logs, and not whole ones.
_TOLD_ELSEWHERE = ("recorded as", "logs as LoadGen left them", "files as the client left them", "server")


def input_complaints(
    scenario: RecordedScenario, records: dict[str, RunRecord], inputs: Inputs
) -> Iterator[Complaint]:
    """Check the run records that can be read against the inputs that the tree carries."""
    for run, record in records.items():
        yield from _same_inputs(scenario, scenario.records / f"{run}.json", record, inputs)
    yield from _unchanged(scenario, inputs)
    if records.keys() >= {*Mode}:
        yield from _closed(scenario, records, inputs)
    if scenario.round_.submittable:
        yield from _weights(scenario, inputs, records)


def _same_inputs(
    scenario: RecordedScenario, path: Path, record: RunRecord, inputs: Inputs
) -> Iterator[Complaint]:
    """Check that a run sent the requests, and measured the artifacts, whose evidence the tree carries."""
    requests, model = inputs.store, inputs.model
    name = requests_file(scenario.rules.dataset)
    if requests is not None and requests.bodies_sha256 != record.store_sha256:
        yield scenario.tell(path, f"names other requests than {name} of the records")
    if requests is not None and record.pins.get("dataset") != requests.dataset_digest:
        yield scenario.tell(path, f"names another dataset than {name} of the records")
    rows, client = inputs.rows, record.client
    if rows is not None and client is not None and rows.sha256 != client.dataset_sha256:
        yield scenario.tell(path, f"names other rows than {rows_file(scenario.rules.dataset)} of the records")
    if model is not None and record.pins.get("model") != model.manifest_digest:
        yield scenario.tell(path, "names another model than model.json of the records")


def _unchanged(scenario: RecordedScenario, inputs: Inputs) -> Iterator[Complaint]:
    """Check that the evidence is complete and agrees with itself."""
    folder = scenario.system_records
    for proof in proofs_of(inputs).values():
        if proof is None:
            continue
        file = folder / f"{proof.folder.name}.json"
        if _digest(proof) != proof.manifest_digest:
            yield scenario.tell(file, "lists files of another manifest than it names")
        known = {entry.path: entry.sha256 for entry in proof.files}
        for path in sorted(path for path in proof.folder.rglob("*") if path.is_file()):
            if known.get(path.relative_to(proof.folder).as_posix()) != sha256_of(path):
                yield scenario.tell(path, f"is not the file that {file.name} lists")
    if inputs.store is not None and inputs.dataset is not None:
        proven = {entry.sha256 for entry in inputs.dataset.files}
        if not proven.issuperset(inputs.store.dataset.values()):
            requests = folder / requests_file(scenario.rules.dataset)
            listing = f"{inputs.dataset.folder.name}.json"
            yield scenario.tell(requests, f"was built from other files than {listing} lists")
    if not scenario.round_.closed.are_empty and not are_complete(inputs):
        yield scenario.tell(
            folder,
            "lacks the manifest of the requests, or the proof of the model or the dataset: settings of the "
            "closed division are not proven",
            "Assemble again with --store, and --artifact for both.",
            "warning",
        )


def _digest(proof: Proof) -> str | None:
    """Return the digest of the files that a proof lists; None where they make no manifest."""
    try:
        return Manifest.parse(proof.model_dump(include={"files"}), "the proof").digest
    except InputError:
        return None


def _closed(scenario: RecordedScenario, records: dict[str, RunRecord], inputs: Inputs) -> Iterator[Complaint]:
    """Check again, from the tree alone, what the closed division fixes, and what all runs must share."""
    performance, accuracy = (records[mode] for mode in Mode)
    both = record_checks(
        scenario.path.folder / RUN_FOLDERS[Mode.PERFORMANCE],
        scenario.path.folder / RUN_FOLDERS[Mode.ACCURACY],
        performance,
        accuracy,
        scenario.round_,
        scenario.rules,
    )
    for name in scenario.rules.compliance_runs:
        if name in records:
            logs = run_logs(scenario.path.folder, scenario.rules.runs[name])[DETAIL].parent
            both += one_run_checks(logs, records[name], name, scenario.round_, scenario.rules)
            alike = same_system_checks(performance, records[name], scenario.round_)
            both += [check.model_copy(update={"run": name}) for check in alike]
    checks = [check for check in both if check.name not in _TOLD_ELSEWHERE]
    checks += closed_checks(list(records.values()), inputs, scenario.round_)
    for run, record in records.items():
        checks += server_checks(scenario.records, record, scenario.rules.runs[run].mode, scenario.round_)
    for check in checks:
        if check.passed:
            continue
        yield scenario.tell(
            scenario.records,
            f"does not prove the closed division's {check.name} ({check.run or 'both runs'}): "
            f"{'not known' if check.value is None else check.value}, must be {check.limit}",
            check.remedy or AGAIN,
            "warning" if check.passed is None else scenario.level,
        )


def _weights(
    scenario: RecordedScenario, inputs: Inputs, records: dict[str, RunRecord]
) -> Iterator[Complaint]:
    """Check that measurements.json says of the weights what the model's proof shows."""
    path = scenario.path.folder / "measurements.json"
    model = inputs.model
    stated = _stated(path)
    if model is None or stated is None:
        return
    pin = scenario.round_.closed.model
    fault = declaration_fault(
        pin,
        model.repo,
        model.revision,
        stated,
        calibrated=True,  # layout_rules require the document
        reference_type=examples_of(load_benchmark(scenario.round_.benchmark))["weight_data_types"],
        quantised_by=next(filter(None, map(quantised_by, records.values())), None),
    )
    if fault is not None:
        yield scenario.tell(path, fault.rstrip("."), "State what was served, and assemble.", scenario.level)
    elif pin is not None and is_pinned(pin, model.repo, model.revision) and not _names(stated, model):
        named = stated.get("starting_weights_filename")
        yield scenario.tell(
            path,
            f"'starting_weights_filename' is '{named}', which names neither {model.repo} nor its manifest",
            "Remove it from submission.measurements, and assemble.",
            "warning",
        )


def _names(stated: dict[str, str], model: Proof) -> bool:
    """Return whether the stated weights name the model's repository, or its manifest by its hash."""
    name = stated.get("starting_weights_filename", "").lower()
    return (model.repo or "").rpartition("/")[2].lower() in name or model.manifest_digest in name


def _stated(path: Path) -> dict[str, str] | None:
    """Return the texts of measurements.json; None where statement_rules complain anyway."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return {name: str(value) for name, value in values.items()} if isinstance(values, dict) else None
