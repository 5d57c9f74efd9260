"""What a conversation of a run is for: apart from the table of turns, as the client must not load numpy."""

from enum import IntEnum


class RunPhase(IntEnum):
    """What a conversation is for. Only the requests of measured ones count in latencies."""

    WARMUP = 0
    MEASURED = 1
    COOLDOWN = 2
