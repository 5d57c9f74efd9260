"""Check the official client's accuracy phase: everything answered and scored, by its score and by ours."""

import math

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.endpoints.client_results import AccuracyResults, AccuracyScore, ResponseCounts
from weighbridge.endpoints.events import ClientPhase
from weighbridge.gates.endpoints_answer_checks import whole_answer_checks
from weighbridge.records.official_client import ACCURACY_RESULTS, EVENTS
from weighbridge.records.score import Evaluation
from weighbridge.records.verdict import Gate

ANSWERS_IN_LOG = "answers in the log"
"""The check that needs the log of events."""
_REPEAT = "Repeat the run, with its accuracy phase, to its end."
_AGREE = 1e-9


def declared_score(accuracy: AccuracyResults | None, scenario: ScenarioRules) -> float | None:
    """Return the score that the client declares of the scenario's dataset; None: there is no such number."""
    entry = _entry(accuracy, scenario)
    value = entry.score if entry else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def declared_counts(accuracy: AccuracyResults | None, scenario: ScenarioRules) -> ResponseCounts | None:
    """Return what the client declares of the answers to the scenario's dataset; None: nothing."""
    entry = _entry(accuracy, scenario)
    return entry.response_counts if entry else None


def _entry(accuracy: AccuracyResults | None, scenario: ScenarioRules) -> AccuracyScore | None:
    drive = scenario.endpoints
    entries = accuracy.accuracy_scores if accuracy else ()
    named = [each for each in entries if drive is not None and each.dataset_name == drive.dataset]
    return named[0] if len(named) == 1 and len(entries) == 1 else None


def score_declared_checks(
    gate: Gate,
    accuracy: AccuracyResults | None,
    phase: ClientPhase | None,
    evaluation: Evaluation | None,
    round_: Round,
    scenario: ScenarioRules,
) -> None:
    """Check counts of the accuracy phase, and its score against the one that we compute.

    Args:
        gate: Takes the checks.
        accuracy: The client's scores; None: there are none.
        phase: The phase's queries; None: the events are not there.
        evaluation: Our score of its answers; None: not computed.
        round_: The round as it holds for the scenario.
        scenario: The scenario.
    """
    drive, rules = scenario.endpoints, round_.endpoints_rules
    assert drive is not None
    entries = accuracy.accuracy_scores if accuracy else ()
    names = ", ".join(each.dataset_name or "unnamed" for each in entries) or None
    # The official checker takes the first one, whatever it is of.
    gate.equals("datasets with a score", names, drive.dataset, f"{ACCURACY_RESULTS}: {_REPEAT}")
    entry = _entry(accuracy, scenario)
    if entry is None:
        return
    gate.equals("kind of dataset scored", entry.dataset_type, "accuracy", _REPEAT)
    gate.equals("accuracy phase complete", entry.complete, True, _REPEAT)
    gate.equals(
        "samples scored", entry.total_samples, round_.samples, "Score the whole dataset of the round."
    )
    counts = entry.response_counts
    for name, wanted in (
        ("issued", round_.samples),
        ("scored", round_.samples),
        ("empty", 0),
        ("missing", 0),
    ):
        found = getattr(counts, name) if counts else None
        gate.equals(f"answers {name}", found, wanted, _REPEAT)
    gate.equals("column of right answers", entry.ground_truth_column, rules.scoring.ground_truth, _REPEAT)
    declared = declared_score(accuracy, scenario)
    gate.holds(
        "score declared",
        declared if declared is not None else str(entry.score)[:50],
        "a number from 0 to 1",
        declared is not None and 0 <= declared <= 1,
        _REPEAT,
    )
    if phase is None:
        gate.unknown(ANSWERS_IN_LOG, str(round_.samples), f"{EVENTS} is missing; keep it beside the result.")
    else:
        answered = int(phase.answered.sum())
        gate.equals(ANSWERS_IN_LOG, answered, round_.samples, _REPEAT)
        whole_answer_checks(gate, phase)
        each_once = len(set(phase.sample.tolist())) == len(phase) == round_.samples
        gate.equals("each sample asked once", each_once, True, _REPEAT)
    if evaluation is None:
        if round_.held_to_rules:
            gate.unknown(
                "score computed by us",
                "equal to the declared one",
                "Score the answers: weighbridge evaluate.",
            )
        return
    ours = evaluation.score.metrics.get(round_.main_metric)
    agrees = ours is not None and declared is not None and abs(ours - declared) <= _AGREE
    gate.holds(
        "score computed by us",
        ours,
        f"{declared:.12g}" if declared is not None else "the declared one",
        agrees,
        "The declared score is not that of the logged answers: the file was altered, or is of another run.",
    )
