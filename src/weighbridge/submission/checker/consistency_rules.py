"""Rules on compliance runs in a tree: files, what the official script found, and the tokens themselves."""

from collections.abc import Iterator
from pathlib import Path

from weighbridge.artifacts.eos_ids import eos_ids_of
from weighbridge.config.audited_round import audited, compliance_rules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import RunRules, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.gates.compliance_checks import audit_log_checks
from weighbridge.gates.token_consistency import VERIFICATION, consistency_checks, verification_faults
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.check_record import Complaint
from weighbridge.records.run_record import ANSWERS, DETAIL
from weighbridge.records.verdict import Check
from weighbridge.submission.checker.recorded_scenario import RecordedScenario
from weighbridge.submission.checker.tree_paths import AGAIN, ScenarioPath, complaint_at
from weighbridge.submission.tree import run_logs
from weighbridge.submission.tree_records import read_inputs

_NO_IDS = "the model's files in the records name none"


def consistency_complaints(
    tree: Path, path: ScenarioPath, round_: Round, scenario: ScenarioRules
) -> Iterator[Complaint]:
    """Check the compliance runs of a scenario; the open division needs none."""
    for run in scenario.compliance_runs:
        rules = scenario.runs[run]
        if path.division == "open" and not (path.folder / rules.kind).is_dir():
            continue
        yield from _files(tree, path, rules)
        yield from _found(tree, path, rules, scenario)
        yield from _logged(tree, path, run, round_, scenario)


def _files(tree: Path, path: ScenarioPath, rules: RunRules) -> Iterator[Complaint]:
    """Check that the official checkers' files are there, and no others than the run's."""
    folder = path.folder / rules.kind
    logs = run_logs(path.folder, rules)
    for needed in (folder / VERIFICATION, logs[ANSWERS]):
        if not needed.is_file():
            yield complaint_at(tree, needed, "is missing", AGAIN)
    known = {folder / VERIFICATION, *logs.values()}
    for found in sorted(folder.rglob("*")):
        if not found.is_dir() and found not in known:
            said = "is nothing that the rules name here; the official checkers pass over it"
            yield complaint_at(tree, found, said, "Remove it, or keep it in src/.", "warning")


def _found(tree: Path, path: ScenarioPath, rules: RunRules, scenario: ScenarioRules) -> Iterator[Complaint]:
    """Check what the official script found."""
    text = path.folder / rules.kind / VERIFICATION
    if not text.is_file():
        return
    for fault in verification_faults(text.read_text(errors="replace"), scenario):
        yield complaint_at(tree, text, f"has {fault}", "Read the verdict's checks of this run.")


def _logged(
    tree: Path, path: ScenarioPath, run: str, round_: Round, scenario: ScenarioRules
) -> Iterator[Complaint]:
    """Check the logs again that there are, with the ids that the model's files in the records name."""
    rules = scenario.runs[run]
    logs, test = run_logs(path.folder, rules), rules.kind
    target = compliance_rules(round_, test).audit.accuracy_log_sampling_target
    checks = [(logs[ANSWERS], check) for check in _tokens(tree, path, run, target, round_, scenario)]
    if logs[DETAIL].is_file():
        followed = audited(round_, test)
        try:
            log = read_detail(logs[DETAIL])
            of_log = audit_log_checks(
                logs[DETAIL].parent, log, followed, followed.scenario(scenario.name), test
            )
        except InputError as error:
            said = str(error).removeprefix(f"{logs[DETAIL]}: ")
            yield complaint_at(tree, logs[DETAIL], said, AGAIN)
        else:
            checks += [(logs[DETAIL], check) for check in of_log]
    for log_path, check in checks:
        if check.passed is False:
            said = f"{check.name} is {check.value}, must be {check.limit}"
            yield complaint_at(tree, log_path, said, check.remedy or AGAIN)


def _tokens(
    tree: Path, path: ScenarioPath, run: str, target: int, round_: Round, scenario: ScenarioRules
) -> list[Check]:
    log = run_logs(path.folder, scenario.runs[run])[ANSWERS]
    if not log.is_file():
        return []
    records = RecordedScenario(tree, path, scenario, round_).system_records
    try:
        model = read_inputs(records).model
        eos_ids = eos_ids_of(model) if model is not None else ()
    except InputError:  # told by record_rules and input_rules
        eos_ids = ()
    return consistency_checks(
        run, log, target, eos_ids or _NO_IDS, scenario, foreign=not (records / scenario.folder).is_dir()
    )
