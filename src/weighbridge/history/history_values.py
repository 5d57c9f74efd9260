"""Figures of a history as text, with no more digits than their noise supports."""

import math

from weighbridge.core.formatting import NONE
from weighbridge.history.changes import Change
from weighbridge.records.history_entry import HistoryMeasure

_KNOWN_DIGITS = 2  # significant digits of half an interval: more of the value is noise
_DIGITS = 3  # significant digits of a value whose noise is not known
_MOST_DECIMALS = 9
_PERCENT_DECIMALS = 2  # at most


def measure_text(measure: HistoryMeasure, noise: float = 0) -> str:
    """Return a measure with its unit and interval, such as '88.45 samples/s [88.08, 88.82]'.

    Args:
        measure: The figure.
        noise: Half-width of its noise, in its unit, for a value without an interval; 0: not known.
    """
    in_ms = measure.unit == "s" and 0 < abs(measure.value) < 1
    scale, unit = (1000, "ms") if in_ms else (1, measure.unit)
    value = scale * measure.value
    if measure.low is None or measure.high is None:
        text = fixed(value, decimals_of(value, scale * noise))
        return f"{text} {unit}".rstrip()
    low, high = scale * measure.low, scale * measure.high
    decimals = decimals_of(value, (high - low) / 2)
    text = f"{fixed(value, decimals)} {unit}".rstrip()
    return f"{text} [{fixed(low, decimals)}, {fixed(high, decimals)}]"


def decimals_of(value: float, half_width: float) -> int:
    """Return how many decimals of a value are not noise; negative: tens, hundreds.

    Args:
        value: The value.
        half_width: Of its interval; 0: not known.
    """
    if half_width > 0:
        digits, size = _KNOWN_DIGITS, half_width
    elif value:
        digits, size = _DIGITS, abs(value)
    else:
        return 0
    return min(digits - 1 - math.floor(math.log10(size)), _MOST_DECIMALS)


def fixed(value: float, decimals: int) -> str:
    """Return a number with so many decimals and grouped thousands; negative decimals round to tens."""
    return f"{round(value, decimals):,.{max(decimals, 0)}f}"


def change_text(change: Change) -> str:
    """Return a change: of a speed in percent (-12 %), of a score in its unit (-0.012); a dash: of nothing.

    It is rounded to the first digit of its noise; without one it has two digits.
    """
    if change.series.aspect == "score":
        return _signed(change.difference, change.noise.half_width if change.noise else 0)
    if change.ratio is None:
        return NONE
    percents = _signed(100 * (change.ratio - 1), 100 * (change.noise_share or 0), _PERCENT_DECIMALS)
    return f"{percents} %"


def noise_text(change: Change) -> str:
    """Return the noise of a change and its source, such as '3.1 %, 4 repeats'; of a score in its unit."""
    if change.noise is None:
        return "not known"
    score, share = change.series.aspect == "score", change.noise_share
    if not score and share is None:
        return NONE
    half_width = change.noise.half_width if score or share is None else 100 * share
    decimals = min(
        max(decimals_of(half_width, half_width), 0), _MOST_DECIMALS if score else _PERCENT_DECIMALS
    )
    source = f"{change.noise.repeats} repeats" if change.noise.repeats else "intervals"
    return f"{fixed(half_width, decimals)}{'' if score else ' %'}, {source}"


def _signed(difference: float, noise: float, most_decimals: int = _MOST_DECIMALS) -> str:
    decimals = decimals_of(difference, noise) - 1 if noise else decimals_of(difference, abs(difference))
    decimals = min(max(decimals, 0), most_decimals)
    rounded = round(difference, decimals)
    return f"{rounded:+,.{decimals}f}" if rounded else "0"
