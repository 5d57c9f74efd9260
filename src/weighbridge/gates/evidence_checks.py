"""Check what the records of both runs' requests and answers show, as far as it was recorded."""

from collections.abc import Iterator
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.gates.alike_checks import alike_checks
from weighbridge.gates.answer_checks import answer_checks, identity_checks
from weighbridge.gates.answer_token_checks import answer_token_checks
from weighbridge.gates.client_checks import client_checks
from weighbridge.gates.conservation_checks import conservation_checks
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.score_checks import ScoredAnswers, sampled_checks
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import DETAIL, RunRecord
from weighbridge.records.verdict import Check


def evidence_checks(
    performance: Path | None,
    accuracy: Path | None,
    speed_record: RunRecord | None,
    answers_record: RunRecord | None,
    scored: ScoredAnswers,
    round_: Round,
    scenario: ScenarioRules,
) -> Iterator[Check]:
    """Check each run's requests and answers, and both runs against each other.

    Runs without run.json, such as those of other harnesses, have no such records: other checks say that they
    are not known.

    Args:
        performance: Folder of the performance run; None: there is no such run.
        accuracy: Folder of the accuracy run, likewise.
        speed_record: run.json of the performance run; None: there is none.
        answers_record: That of the accuracy run.
        scored: The accuracy run's answers.
        round_: The rules.
        scenario: The scenario of both runs.

    Raises:
        InputError: a file of a run is damaged.
    """
    yield from scored.checks
    tables: dict[Mode, RequestRows] = {}
    for folder, record, mode in (
        (performance, speed_record, Mode.PERFORMANCE),
        (accuracy, answers_record, Mode.ACCURACY),
    ):
        if folder is None or record is None:
            continue
        rows = RequestRows.read(folder)
        log = read_detail(folder / DETAIL)
        yield from conservation_checks(folder, log, record, rows, mode, round_, scenario)
        if mode is Mode.PERFORMANCE:
            yield from client_checks(log, record.load, rows, round_, scenario)
        else:
            kind = None if isinstance(scored.truth, str) else scored.truth.task.answers
            yield from answer_token_checks(folder, rows, kind, round_)
        if rows is not None:
            tables[mode] = rows
            yield from answer_checks(record, rows, mode, round_)
    if len(tables) < len(Mode) or performance is None or accuracy is None or speed_record is None:
        return
    asked = tables[Mode.PERFORMANCE]
    yield from identity_checks(list(tables.values()), round_)
    yield from alike_checks(speed_record, asked, tables[Mode.ACCURACY], round_)
    yield from sampled_checks(performance, asked, scored)
