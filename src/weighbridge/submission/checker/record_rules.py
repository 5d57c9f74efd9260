"""Rules on the records that a tree carries: whose runs these are, and that closed-division rules held."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.artifacts.manifest import Manifest
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.config.closed_rules import ClosedRules
from weighbridge.config.declared_weights import declaration_fault, is_pinned
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.gates.closed_checks import Inputs, closed_checks
from weighbridge.gates.server_checks import quantised_by, server_checks
from weighbridge.records.check_record import Complaint, Level
from weighbridge.records.run_record import ANSWERS, DETAIL, SUMMARY, RunRecord
from weighbridge.records.score import ACCURACY_TEXT
from weighbridge.records.verdict import VERDICT, Verdict
from weighbridge.submission.checker.tree_paths import ScenarioPath, complaint_at, scenario_paths
from weighbridge.submission.measurements import examples_of
from weighbridge.submission.tree import RECORDS
from weighbridge.submission.tree_records import REQUESTS, are_complete, proofs_of, read_inputs
from weighbridge.system.identity import code_sha256_of

_AGAIN = "Assemble the tree again from the runs."
_RUN_FOLDERS = {Mode.PERFORMANCE: Path("performance/run_1"), Mode.ACCURACY: Path("accuracy")}


@dataclass(frozen=True)
class _Scenario:
    """A scenario of a tree, and the folder of its records."""

    tree: Path
    path: ScenarioPath
    rules: ScenarioRules
    round_: Round

    @property
    def sources(self) -> Path:
        """Return the folder of the code."""
        return self.path.folder.parents[3] / "src" / self.path.benchmark

    @property
    def system_records(self) -> Path:
        """Return the folder of the records of this system."""
        return self.sources / RECORDS / self.path.folder.parents[1].name

    @property
    def records(self) -> Path:
        """Return the folder of this scenario's records."""
        return self.system_records / self.path.scenario

    @property
    def level(self) -> Level:
        """Return the level of what the closed division's rules forbid: other divisions only say it."""
        return "error" if self.path.division == "closed" else "warning"

    def tell(self, path: Path, said: str, remedy: str = _AGAIN, level: Level = "error") -> Complaint:
        return complaint_at(self.tree, path, said, remedy, level)


def record_complaints(tree: Path, round_: Round) -> Iterator[Complaint]:
    """Check the records of every scenario; a submitter without any gets one warning.

    Trees of other harnesses have no records, and a demonstration proves nothing.
    """
    by_folder = {rules.folder.lower(): rules for rules in round_.scenarios.values()}
    without: set[Path] = set()
    for path in scenario_paths(tree):
        rules = by_folder.get(path.scenario.lower())
        if rules is None or path.benchmark != round_.benchmark:
            continue
        scenario = _Scenario(tree, path, rules, round_)
        if scenario.records.is_dir():
            yield from _of_scenario(scenario)
        elif path.division == "closed" and round_.submittable:
            without.add(scenario.path.folder.parents[3])
    for submitter in sorted(without):
        yield complaint_at(
            tree,
            submitter,
            f"has no records in src/{round_.benchmark}/{RECORDS}: settings of the closed division are not "
            f"proven",
            "Assemble the tree with Weighbridge, or compare the settings with the rules yourself.",
            "warning",
        )


def _of_scenario(scenario: _Scenario) -> Iterator[Complaint]:
    records: dict[Mode, RunRecord] = {}
    for mode in Mode:
        path = scenario.records / f"{mode}.json"
        try:
            records[mode] = RunRecord.read(path)
        except InputError as error:
            yield scenario.tell(path, _told(error, path))
        else:
            yield from _whose(scenario, path, mode, records[mode])
            yield from _logs(scenario, path, mode, records[mode])
    yield from _verdict(scenario)
    try:
        inputs = read_inputs(scenario.system_records)
    except InputError as error:
        yield scenario.tell(scenario.system_records, _told(error, scenario.system_records))
        return
    yield from _code(scenario, records)
    for mode, record in records.items():
        yield from _same_inputs(scenario, scenario.records / f"{mode}.json", record, inputs)
    yield from _unchanged(scenario, inputs)
    if len(records) == len(Mode):
        yield from _closed(scenario, records, inputs)
    if scenario.round_.submittable:
        yield from _weights(scenario, inputs, records)


def _told(error: InputError, path: Path) -> str:
    """Return an error's text without the path, which the complaint has."""
    return str(error).replace(f"{path}: ", "").replace(f"{path.parent}/", "").rstrip(".")


def _whose(scenario: _Scenario, path: Path, mode: Mode, record: RunRecord) -> Iterator[Complaint]:
    """Check that a record is of this round, scenario and mode."""
    recorded = f"{record.round}, {record.scenario}, {record.mode}"
    expected = f"{scenario.round_.name}, {scenario.rules.name}, {mode}"
    if recorded != expected:
        yield scenario.tell(path, f"is of a run of {recorded}, not {expected}")
    elif record.submittable and not scenario.round_.submittable:  # the opposite is told by mark_rules
        yield scenario.tell(path, f"is of a submittable round, unlike {scenario.round_.name}")


def _logs(scenario: _Scenario, path: Path, mode: Mode, record: RunRecord) -> Iterator[Complaint]:
    """Check that the tree's logs are the recorded ones; the accuracy log by the hash in accuracy.txt."""
    folder = scenario.path.folder / _RUN_FOLDERS[mode]
    for name in (DETAIL, SUMMARY):
        if (folder / name).is_file() and sha256_of(folder / name) != record.logs.get(name):
            yield scenario.tell(
                folder / name,
                f"is not the log that {path.name} of the records names by its hash",
                "Put back the log of the recorded run, or assemble again.",
            )
    text = folder / ACCURACY_TEXT
    if mode is Mode.ACCURACY and text.is_file():
        lines = text.read_text(errors="replace").split("\n")
        if f"hash={record.logs.get(ANSWERS)}" not in lines:
            yield scenario.tell(
                text, f"has another hash than that of the accuracy log in {path.name} of the records"
            )


def _verdict(scenario: _Scenario) -> Iterator[Complaint]:
    path = scenario.records / VERDICT
    try:
        verdict = Verdict.read(path)
    except InputError as error:
        yield scenario.tell(path, _told(error, path))
        return
    if (verdict.round, verdict.scenario) != (scenario.round_.name, scenario.rules.name):
        judged = f"{verdict.round}, {verdict.scenario}"
        yield scenario.tell(path, f"judges {judged}, not {scenario.round_.name}, {scenario.rules.name}")
    for checks, state in ((verdict.failed, "failed"), (verdict.unknown, "is not known")):
        for check in checks:
            yield scenario.tell(
                path,
                f"differs from the closed division: {check.name} ({check.run or 'both runs'}) {state}",
                check.remedy or _AGAIN,
                scenario.level,
            )


def _code(scenario: _Scenario, records: dict[Mode, RunRecord]) -> Iterator[Complaint]:
    """Check that the tree holds the code that measured; a demonstration's may have been edited since."""
    package = scenario.sources / "src" / "weighbridge"
    if not scenario.round_.submittable:
        return
    try:
        found = code_sha256_of(package)
    except SyntaxError:
        found = None
    for mode, record in records.items():
        if found != record.code_sha256:
            yield scenario.tell(
                scenario.sources,
                f"does not hold the code of the {mode} run of {scenario.rules.name}: it was edited after "
                f"the run, or left out",
                f"Check out revision {record.git_revision or 'that ran'}, and assemble again.",
                "warning",
            )


def _same_inputs(scenario: _Scenario, path: Path, record: RunRecord, inputs: Inputs) -> Iterator[Complaint]:
    """Check that a run sent the requests, and measured the artifacts, whose evidence the tree carries."""
    requests, model = inputs.store, inputs.model
    if requests is not None and requests.bodies_sha256 != record.store_sha256:
        yield scenario.tell(path, f"names other requests than {REQUESTS} of the records")
    if requests is not None and record.pins.get("dataset") != requests.dataset_digest:
        yield scenario.tell(path, f"names another dataset than {REQUESTS} of the records")
    if model is not None and record.pins.get("model") != model.manifest_digest:
        yield scenario.tell(path, "names another model than model.json of the records")


def _unchanged(scenario: _Scenario, inputs: Inputs) -> Iterator[Complaint]:
    """Check that the evidence is complete and agrees with itself."""
    folder = scenario.system_records
    for kind, proof in proofs_of(inputs).items():
        if proof is None:
            continue
        if Manifest(files=proof.files).digest != proof.manifest_digest:
            yield scenario.tell(folder / f"{kind}.json", "lists files of another manifest than it names")
        known = {entry.path: entry.sha256 for entry in proof.files}
        for path in sorted(path for path in proof.folder.rglob("*") if path.is_file()):
            if known.get(path.relative_to(proof.folder).as_posix()) != sha256_of(path):
                yield scenario.tell(path, f"is not the file that {kind}.json lists")
    if inputs.store is not None and inputs.dataset is not None:
        proven = {entry.sha256 for entry in inputs.dataset.files}
        if not proven.issuperset(inputs.store.dataset.values()):
            yield scenario.tell(folder / REQUESTS, "was built from other files than dataset.json lists")
    if scenario.round_.closed != ClosedRules() and not are_complete(inputs):
        yield scenario.tell(
            folder,
            "lacks the manifest of the requests, or the proof of the model or the dataset: settings of the "
            "closed division are not proven",
            "Assemble again with --store, and --artifact for both.",
            "warning",
        )


def _closed(scenario: _Scenario, records: dict[Mode, RunRecord], inputs: Inputs) -> Iterator[Complaint]:
    """Check again, from the tree alone, what the closed division fixes."""
    checks = closed_checks([*records.values()], inputs, scenario.round_)
    for mode, record in records.items():
        checks += server_checks(scenario.records, record, mode, scenario.round_)
    for check in checks:
        if check.passed:
            continue
        yield scenario.tell(
            scenario.records,
            f"does not prove the closed division's {check.name} ({check.run or 'both runs'}): "
            f"{check.value or 'not known'}, must be {check.limit}",
            check.remedy or _AGAIN,
            "warning" if check.passed is None else scenario.level,
        )


def _weights(scenario: _Scenario, inputs: Inputs, records: dict[Mode, RunRecord]) -> Iterator[Complaint]:
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
    except (OSError, ValueError):
        return None
    return {name: str(value) for name, value in values.items()} if isinstance(values, dict) else None
