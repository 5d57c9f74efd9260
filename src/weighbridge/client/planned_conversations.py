"""The conversations of a run as its schedule takes them, from the table of turns of a workload's store."""

import numpy as np

from weighbridge.client.conversation_schedule import TURN_BITS, PlannedConversation
from weighbridge.config.load_level import LoadLevel
from weighbridge.core.errors import InputError
from weighbridge.requests.run_phase import RunPhase
from weighbridge.requests.turns import Turns

NS = 1e9


def planned_conversations(turns: Turns, level: LoadLevel) -> list[PlannedConversation]:
    """Return the conversations that rows of turns are, which follow one another.

    Raises:
        InputError: none is measured, one has too many turns, or an open loop has no due times.
    """
    starts = np.flatnonzero(turns["turn"] == 0)
    if not len(starts) or not (turns["phase"] == RunPhase.MEASURED).any():
        raise InputError("The run has no conversation to measure; raise the number of measured requests.")
    if int(turns["turn"].max()) >> TURN_BITS:
        raise InputError(f"A conversation has more than {1 << TURN_BITS} turns; lower 'turns'.")
    due_s = turns["due_s"][starts]
    if level.open and not np.isfinite(due_s).all():
        raise InputError(
            f"The requests were not built for {level.name}: they have no due times; build them again."
        )
    due_ns = np.rint(np.nan_to_num(due_s) * NS).astype(np.int64).tolist()
    requests = turns["request"].tolist()
    thinks_ns = np.rint(np.nan_to_num(turns["think_s"]) * NS).astype(np.int64).tolist()
    phases = turns["phase"][starts].tolist()
    bounds = [*starts.tolist(), len(turns)]
    return [
        PlannedConversation(phase, requests[start:stop], thinks_ns[start:stop], due if level.open else 0)
        for phase, due, start, stop in zip(phases, due_ns, bounds[:-1], bounds[1:], strict=True)
    ]
