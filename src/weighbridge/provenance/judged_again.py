"""Judge the runs of a tree again, from the evidence that it carries, as the gate judged them."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.artifacts.proof import Proof
from weighbridge.config.scenario_rules import Mode, RunRules
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.gates import Inputs, evidence_of, judge
from weighbridge.gates.token_consistency import VERIFICATION
from weighbridge.provenance.tree_runs import TreeRuns
from weighbridge.records.official_client import PHASE_ANSWERS
from weighbridge.records.run_record import (
    ANSWERS,
    DETAIL,
    RUN_RECORD,
    SUMMARY,
    USER_CONF,
)
from weighbridge.records.score import ACCURACY_TEXT, Evaluation
from weighbridge.records.verdict import Check, Gate, Verdict
from weighbridge.submission.checker.recorded_scenario import RecordedScenario
from weighbridge.submission.evidence import EVIDENCE, SCORE
from weighbridge.submission.run_files import (
    ANSWERS_OF_CLIENT,
    CLIENT_ORIGINALS,
    CLIENT_RESULTS,
    recorded_name,
)
from weighbridge.submission.tree import RUN_FOLDERS, run_logs
from weighbridge.submission.tree_records import read_inputs

_CHANGED = "Compare the tree with its source; nothing that follows from this file is proven."
_MISSING = (
    "The run was made by an earlier release, or the files were left out of the tree: its requests cannot be "
    "counted again."
)


@dataclass(frozen=True)
class Originals:
    """What a tree cannot carry, and scoring needs: whole answers, the scenarios' datasets, the prompt."""

    logs: Path
    datasets: tuple[Proof, ...]
    prompt: Path | None = None


def evidence_checks_of(runs: TreeRuns) -> Iterator[Check]:
    """Check that a tree has the evidence of each run of a scenario, and that the run's record names it."""
    for run, record in runs.records.items():
        gate = Gate(run)
        folder = runs.scenario.records / run
        needed = evidence_of(runs.scenario.rules.runs[run])
        missing, changed = [], []
        for name in needed:
            path, recorded = folder / name, record.logs.get(name)
            if recorded is None:
                missing.append(f"{name} recorded by no hash")
            elif not path.is_file():
                missing.append(f"{name} not carried")
            elif sha256_of(path) != recorded:
                changed.append(f"{name} is another file")
        gate.holds(
            "evidence",
            "; ".join([*changed, *missing]) or "as recorded",
            ", ".join(needed),
            False if changed else None if missing else True,
            _CHANGED if changed else _MISSING,
        )
        yield from gate.checks


def judged_again(runs: TreeRuns, originals: Originals | None) -> Verdict:
    """Return the verdict on a scenario, by all checks of the gate, from the tree alone.

    Args:
        runs: The scenario.
        originals: What scoring the answers again needs; None: what needs the answers is unknown.

    Raises:
        InputError: a file of the tree or an original is missing or damaged.
    """
    scenario = runs.scenario
    inputs = read_inputs(scenario.system_records).of_dataset(scenario.rules.dataset)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {run: Path(scratch) / run for run in runs.records}
        for run, folder in folders.items():
            _rebuild(runs, run, folder, originals)
        score = scenario.records / SCORE
        return judge(
            performance=folders[Mode.PERFORMANCE],
            accuracy=folders[Mode.ACCURACY],
            evaluation=Evaluation.read(score) if score.is_file() else None,
            round_=scenario.round_,
            scenario=scenario.rules,
            inputs=_with_dataset(inputs, originals),
            compliance={run: folders[run] for run in scenario.rules.compliance_runs if run in folders},
        )


def require_originals(scenario: RecordedScenario, originals: Originals) -> None:
    """Check that what was given for scoring again is that of a scenario.

    Raises:
        InputError: the accuracy log is not there, or no dataset is that of the runs.
    """
    path = _original(scenario, originals)
    if not path.is_file():
        raise InputError(
            f"{path}: no such log; pass the folder of originals that `weighbridge assemble` wrote."
        )
    proven = read_inputs(scenario.system_records).of_dataset(scenario.rules.dataset).dataset
    digests = {each.manifest_digest for each in originals.datasets}
    if proven is not None and proven.manifest_digest not in digests:
        folders = " and ".join(str(each.folder) for each in originals.datasets)
        raise InputError(
            f"{folders}: is not the dataset of the {scenario.rules.folder} runs, which has the manifest "
            f"{proven.manifest_digest[:12]}; pass the proof of that one."
        )


def _original(scenario: RecordedScenario, originals: Originals) -> Path:
    folder = originals.logs / scenario.path.folder.relative_to(scenario.tree)
    return folder / (ANSWERS_OF_CLIENT if scenario.by_client else RUN_FOLDERS[Mode.ACCURACY] / ANSWERS)


def _with_dataset(inputs: Inputs, originals: Originals | None) -> Inputs:
    """Return the inputs with the dataset's files, where they were given."""
    proven = inputs.dataset
    if originals is None or proven is None:
        return inputs
    given = [each.folder for each in originals.datasets if each.manifest_digest == proven.manifest_digest]
    dataset = proven.model_copy(update={"folder": given[0]}) if given else proven
    return replace(inputs, dataset=dataset, prompt=originals.prompt)


def _rebuild(runs: TreeRuns, run: str, into: Path, originals: Originals | None) -> None:
    """Write a run's folder as the run left it, as far as the tree has its files."""
    into.mkdir()
    carried = {name: runs.scenario.records / run / name for name in EVIDENCE}
    rules = runs.scenario.rules.runs[run]
    if runs.scenario.by_client:
        carried |= _of_client(runs.scenario, rules, originals)
    else:
        carried |= _of_loadgen(runs.scenario, rules, originals)
    for name, path in carried.items():
        if path.is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, into / name)
    record = runs.records[run].model_dump(mode="json", exclude_unset=True)
    record["logs"] = {name: sha256 for name, sha256 in record["logs"].items() if _is_there(into, name)}
    (into / RUN_RECORD).write_text(json.dumps(record))


def _of_loadgen(scenario: RecordedScenario, rules: RunRules, originals: Originals | None) -> dict[str, Path]:
    """Return where a run's other files lie, by their names in its folder."""
    results = scenario.path.folder
    logs = run_logs(results, rules)
    carried = [logs[DETAIL], logs[SUMMARY], results / USER_CONF]
    if rules.compliance_test is not None:
        carried += [logs[ANSWERS], results / rules.compliance_test / VERIFICATION]
    elif rules.mode is Mode.ACCURACY:
        carried.append(logs[ANSWERS].with_name(ACCURACY_TEXT))
        if originals is not None:
            carried.append(_original(scenario, originals))
    return {path.name: path for path in carried}


def _of_client(scenario: RecordedScenario, rules: RunRules, originals: Originals | None) -> dict[str, Path]:
    """Return where the official client's files of a run lie, by their names in its folder."""
    if rules.mode is Mode.ACCURACY:
        return {} if originals is None else {PHASE_ANSWERS: _original(scenario, originals)}
    carried = {recorded_name(name): scenario.path.folder / name for name in CLIENT_RESULTS}
    if originals is not None:
        kept = originals.logs / scenario.path.folder.relative_to(scenario.tree)
        carried |= {name: kept / place for place, name in CLIENT_ORIGINALS.items()}
    return carried


def _is_there(folder: Path, name: str) -> bool:
    """Return whether a recorded hash can be compared; other checks report evidence that the tree lacks."""
    kept = (ANSWERS, PHASE_ANSWERS, *CLIENT_ORIGINALS.values())
    return (folder / name).is_file() or name not in (*kept, *EVIDENCE)


def differences(found: Verdict, stated: Verdict, without_events: bool) -> list[str]:
    """Return the names of what a verdict in the tree states otherwise than its runs show.

    Args:
        found: The verdict by the evidence at hand.
        stated: The verdict in the tree.
        without_events: The official client's log of events, from which some figures are counted, is missing.
    """
    latencies = ("p99_latency_s", "latency_estimate_s", "ttft", "tpot", "over_latency")
    figures = ("rate", "duration_s", "tokens_per_s", "queries", *latencies, "accuracy", "metrics")
    counted = ("over_latency",) if without_events else ()
    differing = [
        name for name in figures if name not in counted and getattr(found, name) != getattr(stated, name)
    ]
    passed = {(check.run, check.name): check.passed for check in stated.checks}
    return differing + [
        f"{check.name} ({check.run or 'both runs'})"
        for check in found.failed
        if passed.get((check.run, check.name)) is not False
    ]
