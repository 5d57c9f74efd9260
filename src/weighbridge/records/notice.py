"""The notice that marks everything made from a run that is not submittable."""

from weighbridge.config.round import Round

DEMONSTRATION_FILE = "DEMONSTRATION.md"
DEMONSTRATION = "DEMONSTRATION, NOT SUBMITTABLE"
_MARK = f"{DEMONSTRATION}: these numbers show that the workflow works."
_SIMULATED_MARK = "SIMULATED, NOT SUBMITTABLE: no model answered; rates and answers were chosen beforehand."


def mark_of(round_: Round) -> str:
    """Return the notice for the numbers of a round that is not submittable."""
    if round_.simulated:
        return _SIMULATED_MARK
    if round_.not_submittable_because:
        return f"NOT SUBMITTABLE: {round_.not_submittable_because}."
    return _MARK
