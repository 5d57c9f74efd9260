"""Values and changes of a history in words, for terminals and pages."""

import re

from weighbridge.core.formatting import latency, number, score
from weighbridge.history.changes import Change, ChangedSetting, NoiseSource
from weighbridge.records.history_entry import HistoryMeasure

MOST_SETTINGS = 5
"""How many differing settings a sentence names."""

_DIGEST = re.compile(r"\b[0-9a-f]{40,}\b")
_LONGEST_VALUE = 60
_DIGITS = 4
_DECIMALS_OF_SHARES = 4


def value_words(value: float, measure: HistoryMeasure) -> str:
    """Return a value of a measure with its unit: 79.96 samples/s, 143 ms, 0.7900, 1.136 x."""
    if measure.unit == "s":
        return latency(value)
    return f"{_number(value, measure)} {measure.unit}".rstrip()


def measure_words(measure: HistoryMeasure) -> str:
    """Return a measure's value, with its interval where it has one: 1.136 [1.098, 1.175] x."""
    if measure.low is None or measure.high is None:
        return value_words(measure.value, measure)
    value, low, high = (_number(each, measure) for each in (measure.value, measure.low, measure.high))
    return f"{value} [{low}, {high}] {measure.unit}".rstrip()


def _number(value: float, measure: HistoryMeasure) -> str:
    if measure.unit == "x":
        return f"{value:.3f}"
    if measure.unit == "":
        return score(value, _DECIMALS_OF_SHARES if abs(value) <= 1 else None)
    return number(value, _DIGITS)


def difference_words(change: Change) -> str:
    """Return how much a value has changed: -10.0 %, or of scores from 0 to 1 in percentage points."""
    if change.series.aspect == "score":
        if max(abs(change.before.value), abs(change.after.value)) <= 1:
            return f"{100 * change.difference:+.2f} points"
        return f"{change.difference:+.4g}"
    return "from 0" if change.ratio is None else f"{100 * (change.ratio - 1):+.1f} %"


def noise_words(change: Change) -> str:
    """Return a change's noise in the unit of `difference_words`, and what it is known from."""
    noise = change.noise
    if noise is None:
        return "noise not known"
    if change.series.aspect == "score":
        small = max(abs(change.before.value), abs(change.after.value)) <= 1
        size = f"{100 * noise.half_width:.2f} points" if small else f"{noise.half_width:.4g}"
    elif change.noise_share is None:
        size = f"{noise.half_width:.3g} {change.series.unit}"
    else:
        size = f"{100 * change.noise_share:.1f} %"
    repeats = f"{noise.repeats} repeats" if noise.source is NoiseSource.REPEATS else str(noise.source)
    return f"noise ±{size} by {repeats}"


def size_words(change: Change) -> str:
    """Return a change's measure, values, difference and noise."""
    before, after = change.before, change.after
    values = f"{value_words(before.value, before.measure)} -> {value_words(after.value, after.measure)}"
    return f"{change.series.measure} {values} ({difference_words(change)}, {noise_words(change)})"


def pair_words(change: Change) -> str:
    """Return between which two results a change is: what they are of, where and when they were recorded."""
    before, after = (
        f"{point.recorded.run_directory} ({point.recorded.entry.time:%Y-%m-%d %H:%M})"
        for point in (change.before, change.after)
    )
    system = ", another system" if change.other_system else ""
    return f"{change.series.kind} {change.series.name}, {before} -> {after}{system}:"


def change_words(change: Change) -> str:
    """Return a change in one line, with the run directories and what differs between them."""
    places = dict.fromkeys(str(point.recorded.run_directory) for point in (change.before, change.after))
    return f"{change.series.name}: {size_words(change)}, {' -> '.join(places)}, {reason_words(change)}"


def reason_words(change: Change, most: int = MOST_SETTINGS) -> str:
    """Return what differs between the two results of a change, in few words."""
    shown = [setting_words(setting) for setting in change.settings[:most]]
    if len(change.settings) > most:
        shown.append(f"{len(change.settings) - most} more")
    system = "another system, " if change.other_system else ""
    return f"{system}changed: {', '.join(shown)}" if shown else f"{system}no setting changed"


def setting_words(setting: ChangedSetting) -> str:
    """Return a setting that differs, such as --max-num-seqs 64 -> 128; digests are shortened."""
    return f"{setting.name} {_shown(setting.before)} -> {_shown(setting.after)}"


def _shown(value: str | None) -> str:
    if value is None:
        return "(not set)"
    text = _DIGEST.sub(lambda found: found[0][:12], value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
