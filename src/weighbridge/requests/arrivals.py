"""When conversations of open loads are due: the gaps are drawn at unit rate and then scaled."""

from pathlib import Path
from zlib import crc32

import numpy as np
from scipy.special import gammaincinv

from weighbridge.config.load_level import LoadLevel, Ramp, Trace
from weighbridge.config.scenario_rules import LONGEST_S
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.draws import Values, generator
from weighbridge.requests.line_reader import json_lines

_LATEST_S = 1e12  # of a trace: a date as seconds since 1970 is less


def due_times(level: LoadLevel, counts: PhaseCounts, seed: int, place: str, skip: int = 0) -> Values:
    """Return when each conversation of a slice is due, in s since the first, shape (counts.total,).

    Of random arrivals at a constant rate the gaps are scaled, all by one factor, so that the measured ones
    arrive at exactly this rate. Another rate at the same place changes the scale alone.

    Args:
        level: The load; of a closed loop the times are NaN.
        counts: Conversations by phase, which follow each other.
        seed: The workload's.
        place: Where the gaps are drawn, such as the block and the repeat.
        skip: Number of earlier conversations of the workload; another number draws others.

    Raises:
        InputError: a trace cannot be read, or is too short; or the last conversation is due in years.
    """
    if not level.open:
        return np.full(counts.total, np.nan)
    due = _due_times(level, counts, seed, place, skip)
    if not due[-1] <= LONGEST_S:
        raise InputError(
            f"{level.name}: the last of {counts.total} conversations is due after {due[-1]:g} s; raise the "
            "rate, or have fewer conversations."
        )
    return due


def _due_times(level: LoadLevel, counts: PhaseCounts, seed: int, place: str, skip: int) -> Values:
    if level.trace is not None:
        return _traced(level.trace, counts.total)
    # One gap more than conversations: that after the last one.
    stream = generator(seed, "arrival", crc32(f"{place}/{level.kind}".encode()), skip)
    uniform = stream.random(counts.total)
    times = np.concatenate([[0.0], np.cumsum(_unit_gaps(level, uniform))])
    if level.ramp is not None:
        return _ramped(level.ramp, times[:-1])
    assert level.rate is not None
    window = times[counts.warmup + counts.measured] - times[counts.warmup]
    return np.asarray(times[:-1] * (counts.measured / level.rate / window))


def _unit_gaps(level: LoadLevel, uniform: Values) -> Values:
    match level.kind:
        case "constant":
            return np.ones(len(uniform))
        case "gamma":
            assert level.gamma is not None
            shape = level.gamma.burstiness
            return np.asarray(gammaincinv(shape, uniform) / shape)
        case _:
            return np.asarray(-np.log1p(-uniform))


def _ramped(ramp: Ramp, times: Values) -> Values:
    """Return when a rate that changes steadily, and then stays, has reached these unit-rate times."""
    grows = (ramp.end - ramp.start) / ramp.over_s
    reached = (ramp.start + ramp.end) / 2 * ramp.over_s
    inside = np.minimum(times, reached)
    # The root of start * t + grows * t^2 / 2 = times, in the form that a flat ramp leaves finite.
    root = np.sqrt(np.maximum(ramp.start**2 + 2 * grows * inside, 0))
    return np.asarray(2 * inside / (ramp.start + root) + np.maximum(times - reached, 0) / ramp.end)


def traced_arrivals(trace: Trace) -> Values:
    """Return when each conversation of a trace begins, in s since the first, shape (conversations,).

    Raises:
        InputError: the trace cannot be read.
    """
    times, seen = [], set()
    for number, _, record in json_lines(trace.file):
        time = record.get("timestamp_s") if isinstance(record, dict) else None
        if isinstance(time, bool) or not isinstance(time, int | float) or not abs(time) <= _LATEST_S:
            raise InputError(
                f"{trace.file}: line {number} has no number 'timestamp_s'; correct or remove it."
            )
        conversation = record.get("conversation", ("line", number))
        # Later turns follow the answers of the ones before, whatever the trace says.
        if str(conversation) not in seen:
            seen.add(str(conversation))
            times.append(float(time))
    ordered = np.sort(times)
    return np.asarray((ordered - ordered[:1]) / trace.speed)


def _traced(trace: Trace, count: int) -> Values:
    times = traced_arrivals(trace)
    if len(times) < count:
        raise InputError(
            f"{trace.file}: has {len(times)} arrivals, but {count} conversations are needed; use a longer "
            "trace, or shorter runs."
        )
    return np.asarray(times[:count])


def trace_file(level: LoadLevel) -> Path | None:
    """Return the file that a load's arrivals come from, if one does."""
    return None if level.trace is None else level.trace.file
