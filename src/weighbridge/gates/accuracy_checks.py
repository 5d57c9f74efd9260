"""Checks of an accuracy run: every sample answered once, and every gated score within its bounds."""

from collections.abc import Mapping
from pathlib import Path

from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.loadgen.logs import DetailLog
from weighbridge.records.score import ACCURACY_TEXT, Evaluation, scores_in
from weighbridge.records.verdict import Check, Gate, Reading


def samples_asked(log: DetailLog) -> int | None:
    """Return how many samples an accuracy run asked for, by its detail log; None: not known."""
    issued = log.integer("effective_accuracy_sample_count")
    queries, per_query = log.count("generated_query_count"), log.count("generated_samples_per_query")
    if issued is None and queries is not None and per_query is not None:
        return queries * per_query  # LoadGen 6.0.5 does not log the setting
    return issued


def accuracy_checks(
    asked: int | None, round_: Round, evaluation: Evaluation | None, scores: Mapping[str, float]
) -> list[Check]:
    """Check the number of samples, their answers, and every gated score against its bounds.

    Args:
        asked: How many samples the accuracy run asked for; None: not known.
        round_: The rules.
        evaluation: The run's accuracy.json; None if only an accuracy.txt exists.
        scores: Every gated score that is known, unrounded, by metric name.
    """
    gate = Gate(Mode.ACCURACY)
    gate.equals("samples asked", asked, round_.samples, "Repeat with the whole dataset of the round.")
    rescore = "Score the untruncated log with `weighbridge evaluate`; it refuses an incomplete one."
    if evaluation is None:
        gate.unknown("each sample answered once", str(round_.samples), rescore)
    else:
        gate.equals("each sample answered once", evaluation.score.samples, round_.samples, rescore)
    for name, rules in round_.metrics.items():
        remedy = _score_remedy(evaluation)
        _check_bounds(gate, name, scores.get(name), rules, rescore, remedy)
        # The official checker reads this one, which may be rounded below a floor.
        printed = None if evaluation is None else evaluation.printed(name, scores.get(name))
        if printed is not None and printed != scores.get(name):
            _check_bounds(gate, f"{name} as printed", printed, rules, rescore, remedy)
    return gate.checks


def _check_bounds(
    gate: Gate, name: str, value: float | None, rules: MetricRules, rescore: str, remedy: str
) -> None:
    if value is None:
        gate.unknown(name, rules.bounds or "known", rescore)
        return
    if rules.largest is not None:
        gate.at_most(f"{name} in its range", value, rules.largest, "", rescore)
    if not rules.asked:
        gate.not_asked(name, value, rules.note or "the round has no bounds")
        return
    if rules.floor is not None:
        gate.at_least(name, value, rules.floor, f"({rules.note})" if rules.note else "", remedy)
    if rules.ceiling is not None:
        gate.at_most(name if rules.floor is None else f"{name} ceiling", value, rules.ceiling, "", remedy)
    if rules.floor is None and rules.ceiling is None:
        gate.holds(name, value, "known", True, remedy)


def readings(rules: MetricRules, value: float | None) -> dict[str, Reading]:
    """Compare an unrounded score with every published reading of its floor."""
    return {
        name: Reading(floor=floor, passed=None if value is None else value >= floor)
        for name, floor in rules.readings.items()
    }


def known_scores(folder: Path | None, evaluation: Evaluation | None, round_: Round) -> dict[str, float]:
    """Return every gated score that is known: from the evaluation, else from an accuracy.txt.

    Raises:
        InputError: accuracy.txt holds a score that is not a number, or several.
    """
    if evaluation is not None:
        return {
            name: evaluation.score.metrics[name]
            for name in round_.metrics
            if name in evaluation.score.metrics
        }
    found = {name: score_in_text(folder, name, rules) for name, rules in round_.metrics.items()}
    return {name: value for name, value in found.items() if value is not None}


def score_in_text(folder: Path | None, metric: str, rules: MetricRules) -> float | None:
    """Read a metric's score from accuracy.txt in the run's folder or its parent; None if there is none.

    Raises:
        InputError: its value is not a number, or there are several.
    """
    if folder is None:
        return None
    places = (folder / ACCURACY_TEXT, folder.parent / ACCURACY_TEXT)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    found = list(
        dict.fromkeys(scores_in(path.read_text(errors="replace").split("\n"), metric, rules.notation))
    )
    if not found:
        return None
    try:
        [value] = map(float, found)
    except ValueError:
        said = " and ".join(found)
        raise InputError(f"{path}: '{metric}' is {said}, not one number; score the run again.") from None
    return value


def _score_remedy(evaluation: Evaluation | None) -> str:
    if evaluation is not None and evaluation.score.unparsable:
        share = 100 * evaluation.score.unparsable / evaluation.score.samples
        return (
            f"{evaluation.score.unparsable} answers ({share:.1f} %, {evaluation.empty} of them empty) cannot "
            f"be parsed; inspect them, then check the prompt, the length limits and the model's weights."
        )
    return (
        "Check the model's revision, quantisation, prompt and sampling; the answers are readable but wrong."
    )
