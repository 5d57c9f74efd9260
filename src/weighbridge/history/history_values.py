"""Figures of a history as text, with no more digits than their noise supports."""

import math

from weighbridge.core.formatting import NONE, fixed
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
    scale, decimals = _scale_and_decimals(measure, noise)
    text = bare_text(measure, noise)
    if measure.low is None or measure.high is None:
        return text
    return f"{text} [{fixed(scale * measure.low, decimals)}, {fixed(scale * measure.high, decimals)}]"


def bare_text(measure: HistoryMeasure, noise: float = 0) -> str:
    """Return a measure likewise without its interval, which decides the digits none the less."""
    scale, decimals = _scale_and_decimals(measure, noise)
    unit = measure.unit if scale == 1 else "ms"
    return f"{fixed(scale * measure.value, decimals)} {unit}".rstrip()


def _scale_and_decimals(measure: HistoryMeasure, noise: float) -> tuple[int, int]:
    scale = 1000 if measure.unit == "s" and 0 < abs(measure.value) < 1 else 1
    if measure.low is not None and measure.high is not None:
        noise = (measure.high - measure.low) / 2
    return scale, decimals_of(scale * measure.value, scale * noise)


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


def change_text(change: Change) -> str:
    """Return a change: of a speed in percent (-12.3 %), of a score in its unit (-0.012); a dash: of nothing.

    It has the digits of its noise; without one it has two.
    """
    if change.series.measure.aspect == "score":
        return _signed(change.difference, change.resolution)
    if change.ratio is None:
        return NONE
    return f"{_signed(100 * (change.ratio - 1), 100 * (change.noise_share or 0), _PERCENT_DECIMALS)} %"


def noise_text(change: Change) -> str:
    """Return the noise of a change, such as '3.1 %'; of a score in its unit."""
    if change.noise is None:
        return "not known"
    if change.series.measure.aspect == "score":
        return _rounded(change.noise.half_width, _MOST_DECIMALS)
    if change.noise_share is None:
        return NONE
    return f"{_rounded(100 * change.noise_share, _PERCENT_DECIMALS)} %"


def sourced_noise(change: Change) -> str:
    """Return the noise of a change with its source, such as '3.1 %, 4 repeats'."""
    text = noise_text(change)
    if change.noise is None or text == NONE:
        return text
    return f"{text}, {f'{change.noise.repeats} repeats' if change.noise.repeats else 'intervals'}"


def _rounded(half_width: float, most_decimals: int) -> str:
    return fixed(half_width, min(max(decimals_of(half_width, half_width), 0), most_decimals))


def _signed(difference: float, noise: float, most_decimals: int = _MOST_DECIMALS) -> str:
    decimals = min(max(decimals_of(difference, noise or abs(difference)), 0), most_decimals)
    rounded = round(difference, decimals)
    return f"{rounded:+,.{decimals}f}" if rounded else "0"
