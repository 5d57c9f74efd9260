"""A change of a history in one sentence: figures, noise, where, and which settings differ."""

import re

from weighbridge.history.changes import Change, ChangedSetting
from weighbridge.history.history_values import change_text, measure_text, sourced_noise
from weighbridge.records.history_entry import REVISION

_MOST_SETTINGS = 5
_ABSENT = "not set"
_HASH, _HASH_LETTERS = re.compile(r"[0-9a-f]{40,64}"), 10
_LETTERS = 120  # of a setting's value; the entry has all of it


def change_words(change: Change) -> str:
    """Return a change with all that explains it."""
    before, after = change.before, change.after
    values = ", then ".join(measure_text(each.measure, change.resolution) for each in (before, after))
    places = dict.fromkeys(str(point.recorded.run_directory) for point in (before, after))
    return (
        f"{change.series.title} {values}: {change_text(change)} (noise {sourced_noise(change)}), "
        f"{' -> '.join(places)}, {_reasons(change)}"
    )


def setting_words(setting: ChangedSetting) -> str:
    """Return the two values of a setting, long ones shortened: 64 → 128."""
    return f"{_value(setting.before)} → {_value(setting.after)}"


def by_importance(settings: tuple[ChangedSetting, ...]) -> list[ChangedSetting]:
    """Return settings with the checkout's revision last: it often differs, and mostly measures nothing."""
    return sorted(settings, key=lambda each: each.name == REVISION)


def _reasons(change: Change) -> str:
    settings = by_importance(change.settings)
    shown = [f"{each.name} {setting_words(each)}" for each in settings[:_MOST_SETTINGS]]
    if len(settings) > _MOST_SETTINGS:
        shown.append(f"and {len(settings) - _MOST_SETTINGS} more")
    system = "another system, " if change.other_system else ""
    return f"{system}changed: {', '.join(shown)}" if shown else f"{system}no setting changed"


def _value(value: str | None) -> str:
    if value is None:
        return _ABSENT
    if _HASH.fullmatch(value):
        return value[:_HASH_LETTERS]
    return value if len(value) <= _LETTERS else f"{value[:_LETTERS]} ..."
