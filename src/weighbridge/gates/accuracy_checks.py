"""The accuracy run: all answers, once, and a score above the floor."""

import re
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.terms import Mode
from weighbridge.evaluation.evaluate import ACCURACY_TEXT, Evaluation
from weighbridge.loadgen.logs import DetailLog
from weighbridge.records.verdict import Check, Gate, Reading


def accuracy_checks(
    log: DetailLog, round_: Round, evaluation: Evaluation | None, value: float | None
) -> list[Check]:
    """Check the number of samples, their answers, and the score against the strictest floor."""
    gate = Gate(Mode.ACCURACY)
    asked = log.integer("effective_accuracy_sample_count")
    gate.equals("samples asked", asked, round_.samples, "Repeat with the whole dataset of the round.")
    rescore = "Score the untruncated log with `weighbridge evaluate`; it refuses an incomplete one."
    if evaluation is None:
        gate.unknown("each sample answered once", str(round_.samples), rescore)
    else:
        gate.equals("each sample answered once", evaluation.score.samples, round_.samples, rescore)
    rules = round_.accuracy
    if value is None:
        gate.unknown(rules.metric, f">= {rules.floor}", rescore)
    else:
        gate.at_least(rules.metric, value, rules.floor, "", _score_remedy(evaluation))
    return gate.checks


def readings(round_: Round, value: float | None) -> dict[str, Reading]:
    """Hold a score against every published reading of the floor; never rounded first."""
    return {
        name: Reading(floor=floor, passed=None if value is None else value >= floor)
        for name, floor in round_.accuracy.readings.items()
    }


def score_in_text(folder: Path | None, metric: str) -> float | None:
    """Read the score out of anyone's accuracy.txt, in the run's folder or above; None where there is none.

    Raises:
        InputError: the line is there, but its number cannot be read.
    """
    if folder is None:
        return None
    places = (folder / ACCURACY_TEXT, folder.parent / ACCURACY_TEXT)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    found = re.search(
        rf'^\{{.*"{re.escape(metric)}":\s*([^\s,}}]+).*\}}', path.read_text(errors="replace"), re.M
    )
    if found is None:
        return None
    try:
        return float(found[1])
    except ValueError:
        raise InputError(f"{path}: '{metric}' is {found[1]}, not a number; score the run again.") from None


def _score_remedy(evaluation: Evaluation | None) -> str:
    if evaluation is not None and evaluation.score.unparsable:
        share = 100 * evaluation.score.unparsable / evaluation.score.samples
        return (
            f"{evaluation.score.unparsable} answers ({share:.1f} %, {evaluation.empty} of them empty) cannot "
            f"be read; look at them first: prompt, length limits and the model's weights decide them."
        )
    return (
        "Check the model's revision, quantisation, prompt and sampling; the answers are readable but wrong."
    )
