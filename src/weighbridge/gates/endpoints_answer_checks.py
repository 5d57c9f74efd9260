"""Check that the official client got whole answers: it counts an empty one, and one cut off, as completed."""

from weighbridge.endpoints.events import ClientPhase
from weighbridge.records.verdict import Gate

_CUT_OFF = (
    "Connections broke while answers were streamed, and the client takes what had come as the answer: read "
    "server.log, remove proxies between client and server, and repeat."
)
_BLANK = "The server gave answers without a text; read server.log, fix the cause, and repeat."


def whole_answer_checks(gate: Gate, phase: ClientPhase) -> None:
    """Check that no answer of a phase is empty, or ends in its middle.

    Args:
        gate: Takes the checks.
        phase: The phase's queries.
    """
    cut_off, blank = int(phase.cut_off.sum()), int((phase.succeeded & phase.blank).sum())
    gate.equals("answers without their end", cut_off, 0, _CUT_OFF)
    gate.equals("answers without a text", blank, 0, _BLANK)
