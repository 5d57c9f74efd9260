"""Checks of a compliance run: LoadGen followed the test's settings, and nothing treated the run otherwise.

TEST06 asks that what a system reports of its tokens is consistent. Its own checks are made here on integers;
`weighbridge.gates.token_consistency` has them.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from weighbridge.artifacts.eos_ids import eos_ids_of
from weighbridge.config.audited_round import audited, compliance_rules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.gates.alike_checks import alike_checks
from weighbridge.gates.answer_checks import answer_checks
from weighbridge.gates.closed_checks import Inputs
from weighbridge.gates.conservation_checks import conservation_checks
from weighbridge.gates.log_checks import common_checks
from weighbridge.gates.record_checks import one_run_checks, same_system_checks
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.server_checks import server_checks
from weighbridge.gates.token_consistency import consistency_checks, verification_checks
from weighbridge.loadgen.logs import DetailLog, read_detail
from weighbridge.records.run_record import ANSWERS, AUDIT_CONFIG, DETAIL, RUN_RECORD, RunRecord
from weighbridge.records.verdict import Check, Gate

# Keys of audit.config as LoadGen logs them. Source: test_settings_internal.cc in mlcommons/inference.
_LOGGED = {
    "accuracy_log_rng_seed": "effective_accuracy_log_rng_seed",
    "accuracy_log_sampling_target": "effective_accuracy_log_sampling_target",
    "min_query_count": "requested_min_query_count",
    "min_duration": "effective_min_duration_ms",
    "sample_concatenate_permutation": "effective_sample_concatenate_permutation",
}


def compliance_checks(
    run: str,
    folder: Path | None,
    performance: RunRecord | None,
    accuracy: Path | None,
    round_: Round,
    scenario: ScenarioRules,
    inputs: Inputs,
) -> list[Check]:
    """Check one compliance run of a scenario; every check names it.

    Args:
        run: The run's name.
        folder: Its folder; None: there is no such run.
        performance: run.json of the performance run, whose system it must have measured; None: there is none.
        accuracy: Folder of the accuracy run, whose answers its own must be like; None: there is none.
        round_: The rules.
        scenario: The scenario's.
        inputs: What the runs were made from; the model's files name the ids that end an answer.

    Raises:
        InputError: a detail log or run.json is damaged.
    """
    if folder is None:
        gate = Gate(run)
        place = f"results/{scenario.name}/{run}/{RUN_RECORD}"
        remedy = f"A result needs this compliance run; make it with `snakemake {place}`."
        gate.unknown("run", "present", remedy)
        return gate.checks
    test = scenario.compliance_runs[run]
    followed = audited(round_, test)
    rules = followed.scenario(scenario.name)
    record = RunRecord.read(folder / RUN_RECORD) if (folder / RUN_RECORD).is_file() else None
    checks = [
        *_followed(run, folder, followed, rules, test),
        *consistency_checks(
            run,
            _answers(folder),
            _target(round_, test),
            _eos_ids(inputs),
            scenario,
            foreign=record is None,
        ),
        *verification_checks(run, folder, scenario, round_),
        *one_run_checks(folder, record, run, round_, scenario),
        *same_system_checks(performance, record, round_),
        *_same_settings(performance, record),
    ]
    if record is not None:
        checks += _evidence(folder, record, accuracy, round_, followed, rules)
    return list(_of_run(run, checks))


def _of_run(run: str, checks: Iterable[Check]) -> Iterator[Check]:
    """Yield checks with the run that they are about: some are made for two runs, or for one of its mode."""
    for check in checks:
        yield check.model_copy(update={"run": run})


def _answers(folder: Path) -> Path:
    """Return the accuracy log of a run's folder, or of the folder of the test in a submission tree."""
    own = folder / ANSWERS
    return own if own.exists() else folder / "accuracy" / ANSWERS


def _target(round_: Round, test: str) -> int:
    return compliance_rules(round_, test).audit.accuracy_log_sampling_target


def _eos_ids(inputs: Inputs) -> tuple[int, ...] | str:
    """Return the ids that end an answer, or why they are not known."""
    if inputs.model is None:
        return "Pass the model's proof: --artifact resources/model.json."
    try:
        return eos_ids_of(inputs.model) or "The model's files name no eos_token_id; verify a complete model."
    except InputError as error:
        return f"Judge where the model's folder can be read: {error}"


def _followed(run: str, folder: Path, followed: Round, rules: ScenarioRules, test: str) -> list[Check]:
    """Check the logs of the run, and its audit.config."""
    gate, wanted = Gate(run), "as the test sets them"
    if not (folder / DETAIL).is_file():
        remedy = f"LoadGen's log of the run is missing; add {folder / DETAIL}."
        gate.unknown("audit settings", wanted, remedy)
        return gate.checks
    log = read_detail(folder / DETAIL)
    if (path := folder / AUDIT_CONFIG).is_file():
        same = followed.compliance_tests[test].audit.matches(path.read_text(errors="replace"))
        value = "the test's settings" if same else "other settings"
        gate.holds(AUDIT_CONFIG, value, "the test's settings", same, "Repeat the run.")
    return [*audit_log_checks(folder, log, followed, rules, test), *gate.checks]


def audit_log_checks(
    folder: Path, log: DetailLog, followed: Round, rules: ScenarioRules, test: str
) -> list[Check]:
    """Check LoadGen's log of a compliance run as in every run, and that the settings of the test applied.

    Args:
        folder: The log's folder.
        log: The log.
        followed: The round as the test changes it.
        rules: Its scenario.
        test: Name of the test.
    """
    gate = Gate(test)
    audit = followed.compliance_tests[test].audit.model_dump()
    differing = [key for key, logged in _LOGGED.items() if log.get(logged) != audit[key]]
    gate.holds(
        "audit settings",
        f"others for {', '.join(differing)}" if differing else "as the test sets them",
        "as the test sets them",
        not differing,
        f"LoadGen did not follow the {AUDIT_CONFIG} of {test}; repeat the run.",
    )
    return [*common_checks(folder, log, Mode.PERFORMANCE, followed, rules), *gate.checks]


def _same_settings(performance: RunRecord | None, record: RunRecord | None) -> list[Check]:
    """Check that both runs had the same fingerprint, where both have one."""
    gate = Gate(None)
    ours, theirs = (each.settings_sha256 if each else None for each in (record, performance))
    if ours is not None and theirs is not None:
        gate.equals("same settings", ours, theirs, "Repeat the older of the two runs.")
    return gate.checks


def _evidence(
    folder: Path,
    record: RunRecord,
    accuracy: Path | None,
    round_: Round,
    followed: Round,
    rules: ScenarioRules,
) -> Iterator[Check]:
    """Check the run's requests and server, and its answers beside those of the accuracy run."""
    yield from server_checks(folder, record, Mode.PERFORMANCE, round_)
    rows = RequestRows.read(folder)
    log = read_detail(folder / DETAIL)
    yield from conservation_checks(folder, log, record, rows, Mode.PERFORMANCE, followed, rules)
    if rows is None:
        return
    yield from answer_checks(record, rows, Mode.PERFORMANCE, round_)
    others = None if accuracy is None else RequestRows.read(accuracy)
    if others is not None:
        yield from alike_checks(record, rows, others, round_)
