"""Rules on the evidence of single requests in a tree: there, and the files that the runs' records name."""

from collections.abc import Iterator, Mapping

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.gates.accuracy_checks import score_in_text
from weighbridge.gates.endpoints_score_checks import declared_score
from weighbridge.records.check_record import Complaint
from weighbridge.records.official_client import ACCURACY_RESULTS, PHASE_ANSWERS
from weighbridge.records.run_record import ANSWERS, RunRecord
from weighbridge.records.score import ACCURACY_TEXT, Evaluation
from weighbridge.submission.checker.recorded_scenario import RecordedScenario
from weighbridge.submission.evidence import EVIDENCE, SCORE
from weighbridge.submission.tree import RUN_FOLDERS


def evidence_complaints(scenario: RecordedScenario, records: Mapping[str, RunRecord]) -> Iterator[Complaint]:
    """Check a scenario's evidence; what runs of earlier releases did not record is not asked of them."""
    for run, record in records.items():
        yield from _of_run(scenario, run, record)
    yield from _score(scenario, records.get(Mode.ACCURACY))


def _of_run(scenario: RecordedScenario, run: str, record: RunRecord) -> Iterator[Complaint]:
    for name in EVIDENCE:
        path = scenario.records / run / name
        recorded = record.logs.get(name)
        if path.is_file():
            if recorded is not None and sha256_of(path) != recorded:
                yield scenario.tell(
                    path,
                    f"is not the file that {run}.json of the records names by its hash",
                    "Put back the file of the recorded run, or assemble again.",
                )
            elif recorded is None and scenario.round_.submittable:
                yield scenario.tell(
                    path, f"is named by no hash in {run}.json of the records", level="warning"
                )
        elif recorded is not None and scenario.round_.submittable:
            yield scenario.tell(
                scenario.records / f"{run}.json",
                f"names {name}, which is not in the tree: its requests cannot be counted again",
                level="warning",
            )


def _score(scenario: RecordedScenario, record: RunRecord | None) -> Iterator[Complaint]:
    path = scenario.records / SCORE
    if not path.is_file():
        return
    try:
        evaluation = Evaluation.read(path)
        stated = stated_scores(scenario)
    except InputError as error:
        yield scenario.tell(path, str(error).replace(f"{path}: ", "").rstrip("."))
        return
    if evaluation.round != scenario.round_.name:
        yield scenario.tell(path, f"scores a run of {evaluation.round}, not {scenario.round_.name}")
    scored = {**evaluation.score.metrics, evaluation.metric: evaluation.value}
    differing = [
        name
        for name, value in stated.items()
        if value is not None and not scenario.are_equal(evaluation.printed(name, scored.get(name)), value)
    ]
    if differing:
        file = ACCURACY_RESULTS.name if scenario.by_client else ACCURACY_TEXT
        yield scenario.tell(path, f"has other scores than {file}: {', '.join(differing)}")

    answers = PHASE_ANSWERS if scenario.by_client else ANSWERS
    if record is not None and record.logs.get(answers) != evaluation.log_sha256:
        yield scenario.tell(path, "scores another accuracy log than accuracy.json of the records names")


def stated_scores(scenario: RecordedScenario) -> dict[str, float | None]:
    """Return every gated score as the tree states it; None: it does not.

    Raises:
        InputError: the file is damaged, or has several values.
    """
    metrics = scenario.round_.metrics
    if scenario.by_client:
        accuracy = ClientResults.read(scenario.path.folder).accuracy
        return {scenario.round_.main_metric: declared_score(accuracy, scenario.rules)}
    folder = scenario.path.folder / RUN_FOLDERS[Mode.ACCURACY]
    return {name: score_in_text(folder, name, rules) for name, rules in metrics.items()}
