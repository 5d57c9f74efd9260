"""Whether a submission tree may be built of a scenario, by its verdict."""

from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.gates.verdict_line import verdict_line
from weighbridge.records.verdict import Verdict


def require_verdict(path: Path, round_: Round, settings: SubmissionSettings) -> Verdict:
    """Return the verdict on a scenario; refuse one of another round, or that forbids a tree of the division.

    Raises:
        InvalidRunError: the division is closed, and a gate failed or could not be decided.
        InputError: the verdict is of another round, or cannot be read.
    """
    verdict = Verdict.read(path)
    if verdict.round != round_.name:
        raise InputError(
            f"{path}: belongs to round {verdict.round}, not {round_.name}; judge the runs again."
        )
    if round_.submittable and not verdict.submittable:
        why = verdict.not_submittable_because or "it is a demonstration"
        raise InputError(
            f"{path}: was judged by another round {verdict.round}, whose results are not submittable "
            f"({why}); judge the runs again, and see whether they were measured with it too."
        )
    # What is not known beside a failed check is often only its consequence.
    reasons = [f"{check.name} failed" for check in verdict.failed] or [
        f"{check.name} is not known" for check in verdict.unknown
    ]
    if reasons and settings.division == "closed":
        raise InvalidRunError(
            f"{path}: no tree is built from this {verdict.scenario} run: {', '.join(reasons)}; the verdict "
            f"lists what to do next. {verdict_line(verdict)}"
        )
    return verdict
