"""Numbers as a person reads them."""

import math

from markupsafe import Markup, escape

_GAP = "\N{NO-BREAK SPACE}"  # between a number and its unit
NONE = "–"  # noqa: RUF001 - an en dash is what tables have in empty cells
_MINUTE_S, _HOUR_S = 60, 3600


def number(value: float | None, digits: int = 6) -> str:
    """Word a number with so many significant digits, and with thousands apart: 48,289 or 68.1049."""
    if value is None or not math.isfinite(value):
        return NONE
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def with_unit(value: float, unit: str) -> str:
    """Word a setting as it was set: 12 s, 99 %."""
    return f"{value:g}{_GAP}{unit}"


def score(value: float | None, decimals: int = 6) -> str:
    """Word a score between 0 and 1."""
    return NONE if value is None else f"{value:.{decimals}f}"


def seconds(value: float | None) -> str:
    """Word a time in the unit that suits it: 0.22 ms, 5.643 s."""
    if value is None or not math.isfinite(value):
        return NONE
    if 0 < abs(value) < 1:
        return f"{1000 * value:.3g}{_GAP}ms" if abs(value) < 0.1 else f"{1000 * value:.0f}{_GAP}ms"
    return f"{value:,.3f}{_GAP}s"


def duration(value: float | None) -> str:
    """Word a length of time: 47 s, 11 min 47 s, 1 h 13 min."""
    if value is None or not math.isfinite(value):
        return NONE
    if value < _MINUTE_S:
        return f"{value:.1f}{_GAP}s"
    whole = round(value)
    large, small = (_HOUR_S, _MINUTE_S) if whole >= _HOUR_S else (_MINUTE_S, 1)
    units = ("h", "min") if whole >= _HOUR_S else ("min", "s")
    rest = whole % large // small
    return f"{whole // large}{_GAP}{units[0]}" + (f"{_GAP}{rest}{_GAP}{units[1]}" if rest else "")


def size(value: float | None) -> str:
    """Word a number of bytes: 76.8 MiB."""
    if value is None:
        return NONE
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.3g}{_GAP}{unit}" if value < 1000 else f"{value:.0f}{_GAP}{unit}"
        value /= 1024
    return f"{value:,.1f}{_GAP}TiB"


def share(part: float, whole: float) -> str:
    """Word a share in percent: 0.012 %."""
    return f"{100 * part / whole:.3g}{_GAP}%" if whole else NONE


def code(text: str) -> Markup:
    """Escape a sentence, and mark what stands between backticks as code."""
    # Every second piece stood between two of them.
    pieces = enumerate(escape(piece) for piece in text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else piece for index, piece in pieces
    )


def moment(started: str) -> str:
    """Word a moment in UTC, given in ISO 8601: 2026-11-22 05:05:51 UTC."""
    return f"{started[:19].replace('T', ' ')} UTC"
