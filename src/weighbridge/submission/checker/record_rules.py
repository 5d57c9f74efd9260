"""Rules on the records that a tree carries: whose runs these are, and that closed-division rules held."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.scenario_rules import Mode, RunRules
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.gates.endpoints_figures import performance_of
from weighbridge.gates.performance_figures import Performance
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.check_record import Complaint
from weighbridge.records.official_client import RESULT_SUMMARY
from weighbridge.records.run_record import ANSWERS, DETAIL, SUMMARY, RunRecord
from weighbridge.records.score import ACCURACY_TEXT, Evaluation, hashes_in
from weighbridge.records.verdict import VERDICT, Verdict, outcome_of
from weighbridge.submission.checker.evidence_rules import evidence_complaints, stated_scores
from weighbridge.submission.checker.input_rules import input_complaints
from weighbridge.submission.checker.recorded_scenario import RecordedScenario
from weighbridge.submission.checker.tree_paths import AGAIN, complaint_at, rules_of, scenario_paths
from weighbridge.submission.evidence import SCORE
from weighbridge.submission.run_files import CLIENT_RESULTS, recorded_name
from weighbridge.submission.tree import RECORDS, RUN_FOLDERS, run_logs
from weighbridge.submission.tree_records import read_inputs
from weighbridge.system.identity import UNREADABLE, code_sha256_of


def record_complaints(tree: Path, round_: Round) -> Iterator[Complaint]:
    """Check the records of every scenario; a submitter without any gets one warning.

    Trees of other harnesses have no records, and a demonstration proves nothing.
    """
    without: set[Path] = set()
    for path in scenario_paths(tree):
        rules = rules_of(path.scenario, round_)
        if rules is None or path.benchmark not in round_.tree_names:
            continue
        scenario = RecordedScenario(tree, path, rules, round_of_scenario(round_, rules.name))
        if scenario.records.is_dir():
            yield from _of_scenario(scenario)
        elif path.division == "closed" and round_.submittable:
            without.add(scenario.path.folder.parents[3])
    for submitter in sorted(without):
        yield complaint_at(
            tree,
            submitter,
            f"has no records in src/{round_.folder}/{RECORDS}: settings of the closed division are not "
            f"proven",
            "Assemble the tree with Weighbridge, or compare the settings with the rules yourself.",
            "warning",
        )


def _of_scenario(scenario: RecordedScenario) -> Iterator[Complaint]:
    records: dict[str, RunRecord] = {}
    for run, rules in scenario.rules.runs.items():
        path = scenario.records / f"{run}.json"
        if rules.compliance_test and scenario.path.division == "open" and not path.exists():
            continue  # which needs no compliance runs
        try:
            records[run] = RunRecord.read(path)
        except InputError as error:
            yield scenario.tell(path, _told(error, path))
        else:
            yield from _whose(scenario, path, rules, records[run])
            yield from _logs(scenario, path, rules, records[run])
    yield from evidence_complaints(scenario, records)
    yield from _verdict(scenario)
    try:
        inputs = read_inputs(scenario.system_records).of_dataset(scenario.rules.dataset)
    except InputError as error:
        yield scenario.tell(scenario.system_records, _told(error, scenario.system_records))
        return
    yield from _code(scenario, records)
    yield from input_complaints(scenario, records, inputs)


def _told(error: InputError, path: Path) -> str:
    """Return an error's text without the path, which the complaint has."""
    return str(error).replace(f"{path}: ", "").replace(f"{path.parent}/", "").rstrip(".")


def _whose(scenario: RecordedScenario, path: Path, run: RunRules, record: RunRecord) -> Iterator[Complaint]:
    """Check that a record is of this round, scenario and run."""
    recorded = f"{record.round}, {record.scenario}, {record.kind}"
    expected = f"{scenario.round_.name}, {scenario.rules.name}, {run.kind}"
    if recorded != expected:
        yield scenario.tell(path, f"is of a run of {recorded}, not {expected}")
    elif record.submittable and not scenario.round_.submittable:  # the opposite is told by mark_rules
        yield scenario.tell(path, f"is of a submittable round, unlike {scenario.round_.name}")


def _logs(scenario: RecordedScenario, path: Path, run: RunRules, record: RunRecord) -> Iterator[Complaint]:
    """Check that the tree's logs are the recorded ones; the accuracy log by the hash in accuracy.txt."""
    if scenario.by_client:
        yield from _client_files(scenario, path, run, record)
        return
    logs = run_logs(scenario.path.folder, run)
    whole = (DETAIL, SUMMARY, *((ANSWERS,) if run.compliance_test else ()))
    for name in whole:
        if run.compliance_test and not logs[name].is_file():
            # Those of ordinary runs are missed by the rules of the layout.
            yield scenario.tell(logs[name], f"is missing, and {path.name} of the records names its hash")
        if logs[name].is_file() and sha256_of(logs[name]) != record.logs.get(name):
            yield scenario.tell(
                logs[name],
                f"is not the log that {path.name} of the records names by its hash",
                "Put back the log of the recorded run, or assemble again.",
            )
    text = logs[ANSWERS].with_name(ACCURACY_TEXT)
    if run.mode is Mode.ACCURACY and text.is_file():
        lines = text.read_text(errors="replace").split("\n")
        if record.logs.get(ANSWERS) not in hashes_in(lines):
            yield scenario.tell(
                text, f"has another hash than that of the accuracy log in {path.name} of the records"
            )


def _client_files(
    scenario: RecordedScenario, path: Path, run: RunRules, record: RunRecord
) -> Iterator[Complaint]:
    """Check that the official client's files are the recorded ones; one run has those of both phases."""
    if record.client is None:
        yield scenario.tell(path, "names no official client, which must have made the run")
    if run.mode is not Mode.PERFORMANCE:
        return
    for name in CLIENT_RESULTS:
        file = scenario.path.folder / name
        if file.is_file() and sha256_of(file) != record.logs.get(recorded_name(name)):
            yield scenario.tell(
                file,
                f"is not the file that {path.name} of the records names by its hash",
                "Put back the file of the recorded run, or assemble again.",
            )


def _verdict(scenario: RecordedScenario) -> Iterator[Complaint]:
    path = scenario.records / VERDICT
    try:
        verdict = Verdict.read(path)
    except InputError as error:
        yield scenario.tell(path, _told(error, path))
        return
    if (verdict.round, verdict.scenario) != (scenario.round_.name, scenario.rules.name):
        judged = f"{verdict.round}, {verdict.scenario}"
        yield scenario.tell(path, f"judges {judged}, not {scenario.round_.name}, {scenario.rules.name}")
    judge_again = "Judge the runs again, and assemble."
    if not verdict.checks or verdict.outcome != outcome_of(verdict.checks):
        said = f"says {verdict.outcome}, which its {len(verdict.checks)} checks do not show"
        yield scenario.tell(path, said, judge_again)
    if differing := _differing(scenario, verdict):
        said = f"has other figures than the logs and accuracy.txt: {', '.join(differing)}"
        yield scenario.tell(path, said, judge_again)
    for checks, state in ((verdict.failed, "failed"), (verdict.unknown, "is not known")):
        for check in checks:
            yield scenario.tell(
                path,
                f"differs from the closed division: {check.name} ({check.run or 'both runs'}) {state}",
                check.remedy or AGAIN,
                scenario.level,
            )


def _differing(scenario: RecordedScenario, verdict: Verdict) -> list[str]:
    """Return the names of figures that a verdict has otherwise than its runs, as far as these can be read."""
    found: dict[str, float | None] = {}
    stated: dict[str, float | None] = {}
    with contextlib.suppress(InputError):  # told by own_rules, or client_rules
        found |= asdict(_performance(scenario))
        stated |= {name: getattr(verdict, name) for name in found}
    with contextlib.suppress(InputError):  # told by score_rules, or client_rules
        found |= stated_scores(scenario)
        stated |= {name: verdict.metrics.get(name) for name in scenario.round_.metrics}
    with contextlib.suppress(InputError):  # told by evidence_rules; earlier releases put none into a tree
        evaluation = Evaluation.read(scenario.records / SCORE)
        stated |= {name: evaluation.printed(name, stated.get(name)) for name in scenario.round_.metrics}
    return [
        name
        for name, value in found.items()
        if value is not None and not scenario.are_equal(stated[name], value)
    ]


def _performance(scenario: RecordedScenario) -> Performance:
    """Read the figures of a scenario's performance run from its files in the tree."""
    if not scenario.by_client:
        log = read_detail(scenario.path.folder / RUN_FOLDERS[Mode.PERFORMANCE] / DETAIL)
        return Performance.of(log, scenario.rules)
    results = ClientResults.read(scenario.path.folder)
    figures = performance_of(results, None, scenario.rules)
    if figures is None:
        raise InputError(f"{results.folder / RESULT_SUMMARY}: is missing.")
    return figures


def _code(scenario: RecordedScenario, records: dict[str, RunRecord]) -> Iterator[Complaint]:
    """Check that the tree holds the code that measured; a demonstration's may have been edited since."""
    package = scenario.sources / "src" / "weighbridge"
    if not scenario.round_.submittable:
        return
    try:
        found = code_sha256_of(package)
    except UNREADABLE:
        found = None
    for run, record in records.items():
        if found != record.code_sha256:
            yield scenario.tell(
                scenario.sources,
                f"does not hold the code of the {run} run of {scenario.rules.name}: it was edited after "
                f"the run, or left out",
                f"Check out revision {record.git_revision or 'that ran'}, and assemble again.",
                "warning",
            )
