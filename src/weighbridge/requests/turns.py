"""The turns of a workload's conversations: one row a request, in the order of the store."""

import numpy as np
from numpy.typing import NDArray

from weighbridge.requests.run_phase import RunPhase as RunPhase

TURNS_TABLE = "turns.npy"


TURN_TYPE = np.dtype(
    [
        ("request", "<u4"),  # its place in the store
        ("slice", "<u4"),  # number of its slice in the manifest
        ("conversation", "<u4"),  # within its slice, in the order of issue
        ("turn", "<u2"),  # within its conversation, from 0
        ("phase", "u1"),  # RunPhase
        ("images", "u1"),
        ("due_s", "<f8"),  # open loops: of the conversation, since the first one of its slice; else NaN
        ("think_s", "<f8"),  # before this turn, after the answer to the one before
        ("target_tokens", "<i4"),  # asked for
        ("body_bytes", "<i8"),  # as stored
        ("prefix_share", "<f4"),  # of the prompt's text: a shared prefix that may be cached
    ]
)

Turns = NDArray[np.void]
"""Rows of TURN_TYPE, ordered by conversation and turn within a slice, shape (n,)."""
