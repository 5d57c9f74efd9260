"""Numbers, durations, sizes and values as text: for terminals and logs, and for the report's page."""

import math
from collections.abc import Sequence

NONE = "–"  # noqa: RUF001 - the en dash that the report's tables show in empty cells
_GAP = "\N{NO-BREAK SPACE}"  # between a number and its unit on a page, where a line may break
_MINUTE_S, _HOUR_S = 60, 3600
_MOST_DECIMALS = 3  # of a percentage
_COUNTS_FROM = 1000  # larger scores are counts, such as a length
_DIGITS, _FEWEST_DIGITS, _MOST_DIGITS = 3, 2, 5  # of a measured figure: of unknown error, and in any case
_EXACT_DIGITS = 12  # no limit has more


def duration(seconds: float, decimals: int = 0) -> str:
    """Return a duration for a terminal or log: 48 s, 2 min 05 s, 10 min, 1 h 03 min.

    Args:
        seconds: Below 0 counts as 0.
        decimals: Digits after the point of a duration below a minute.
    """
    seconds = max(seconds, 0)
    if round(seconds, decimals) < _MINUTE_S:
        return f"{seconds:.{decimals}f} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        large, small = f"{whole // _MINUTE_S} min", f"{whole % _MINUTE_S:02} s"
    else:
        large, small = f"{whole // _HOUR_S} h", f"{whole % _HOUR_S // _MINUTE_S:02} min"
    return large if small.startswith("00") else f"{large} {small}"


def page_duration(seconds: float | None) -> str:
    """Return `duration` for a page: with a decimal below a minute, unbroken; a dash for None and NaN."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    return duration(seconds, decimals=1).replace(" ", _GAP)


def latency(seconds: float | None) -> str:
    """Return a latency for a terminal or log, in three digits: 85.4 ms, 1.25 s, 12.5 s; "-" for None."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.{0 if seconds >= 0.0995 else 1}f} ms"
    return f"{seconds:.{2 if seconds < 9.995 else 1 if seconds < 99.95 else 0}f} s"


def page_latency(seconds: float | None) -> str:
    """Return a time for a page in three digits, in ms or s: 0.221 ms, 5.64 s; a dash for None and NaN.

    Infinity, the latency of a request that failed, becomes "no answer".
    """
    if seconds == math.inf:
        return f"no{_GAP}answer"
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if 0 < abs(seconds) < 1:
        return f"{measured(1000 * seconds)}{_GAP}ms"
    return f"{measured(seconds)}{_GAP}s"


def page_latencies(seconds: Sequence[float | None]) -> tuple[str, ...]:
    """Return times that stand in one row or column of a page, all in the unit of the largest."""
    known = [abs(value) for value in seconds if value is not None and math.isfinite(value)]
    in_s = max(known, default=0.0) >= 1

    def text(value: float | None) -> str:
        small = value is not None and math.isfinite(value) and abs(value) < 1
        return f"{measured(value)}{_GAP}s" if in_s and small else page_latency(value)

    return tuple(map(text, seconds))


def rate(per_second: float) -> str:
    """Return a rate in three digits or more: 0.52, 12.5, 1,250."""
    return f"{per_second:,.{2 if per_second < 9.995 else 1 if per_second < 99.95 else 0}f}"


def number(value: float | None, digits: int = 6) -> str:
    """Return a number with so many significant digits and grouped thousands: 13,368 or 68.1049.

    None, NaN and infinity become a dash.
    """
    if value is None or not math.isfinite(value):
        return NONE
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def measured(value: float | None, error: float | None = None, none: str = NONE) -> str:
    """Return a measured figure in the digits that its standard error supports: 14.4, not 14.3672.

    Args:
        value: The figure; None, NaN and infinity become `none`.
        error: Its standard error, in its unit; None or 0: not known.
        none: In place of a value, such as "-" for a terminal.
    """
    if value is None or not math.isfinite(value):
        return none
    return fixed(value, measured_decimals(value, error))


def measured_decimals(value: float, error: float | None = None) -> int:
    """Return how many decimals of a measured figure are shown; negative: tens, hundreds.

    The last digit is that of the error's first: 14.4 for an error of 0.2, 1,440 for 1437 with one of 23.
    There are two to five significant digits, and three where the error is not known.
    """
    rounded = abs(float(f"{value:.{_DIGITS - 1}e}"))
    if rounded == 0:
        return 0
    first = math.floor(math.log10(rounded))
    last = math.floor(math.log10(error)) if error else first - _DIGITS + 1
    return -min(max(last, first - _MOST_DIGITS + 1), first - _FEWEST_DIGITS + 1)


def fixed(value: float, decimals: int) -> str:
    """Return a number with so many decimals and grouped thousands; negative decimals round to tens."""
    return f"{round(value, decimals):,.{max(decimals, 0)}f}"


def beside_limit(value: float, limits: Sequence[float], digits: int = 4) -> str:
    """Return a value in these significant digits, or as many more as tell it apart from each limit.

    12.0003 beside a limit of 12 is not shown as 12, nor 0.7824 beside 0.782400663 without its zeros.
    """
    needed = _digits_beside(value, limits, digits, "g")
    return f"{value:{'#' if needed > digits else ''}.{needed}g}"


def _digits_beside(value: float, limits: Sequence[float | None], digits: int, notation: str) -> int:
    """Return these digits, or as many more as tell a value from each limit; `notation` is f or g."""
    for limit in limits:
        while (
            limit not in (None, value)
            and digits < _EXACT_DIGITS
            and f"{value:.{digits}{notation}}" == f"{limit:.{digits}{notation}}"
        ):
            digits += 1
    return digits


def table_latency(seconds: float | None) -> str:
    """Return a time for a table of a terminal, in three digits: 5.64 s, or in ms below 1 s; "-" for None."""
    if seconds is None:
        return "-"
    return f"{measured(seconds)} s" if seconds >= 1 else f"{measured(1000 * seconds)} ms"


def table_latencies(seconds: Sequence[float | None]) -> tuple[str, ...]:
    """Return times that stand in one column of a terminal's table, all in the unit of the largest."""
    in_s = max((value for value in seconds if value is not None), default=0.0) >= 1
    return tuple(
        f"{measured(value)} s" if in_s and value is not None else table_latency(value) for value in seconds
    )


def number_or_dash(value: float | None, spec: str) -> str:
    """Return a number by a format specification such as ".3f"; "-" for None."""
    return "-" if value is None else format(value, spec)


def with_unit(value: float, unit: str) -> str:
    """Return a setting's value as it was set, with its unit: 12 s, 99 %."""
    return f"{value:g}{_GAP}{unit}"


def score(
    value: float | None, decimals: int | None = None, limits: Sequence[float | None] = (), none: str = NONE
) -> str:
    """Return a score in the decimals in which scores are published, or more beside a limit; a dash for None.

    Without `decimals`, scores up to 1,000 have four, and counts none.

    Args:
        value: The score.
        decimals: Digits after the point, at least.
        limits: Its floor, ceiling and others: it has so many decimals that it differs from each in these, so
            that 0.7824 is not shown for 0.78239 beside a floor of 0.782400663.
        none: In place of a score.
    """
    if value is None:
        return none
    if decimals is None:
        decimals = 4 if abs(value) < _COUNTS_FROM else 0
    return f"{value:.{_digits_beside(value, limits, decimals, 'f')}f}"


def accuracy(value: float, error: float | None, interval: tuple[float, float] | None = None) -> str:
    """Return a share of right answers in percent, to the digits that its standard error supports.

    The last digit is that of the error's first: 68.3 % for an error of 0.4 %, 68 % for one of 4 %, or none.
    With an interval: 68.3 % [67.5, 69.1].
    """
    points = 100 * (error or 0)
    decimals = min(max(-math.floor(math.log10(points)), 0), _MOST_DECIMALS) if points > 0 else 0
    text = f"{100 * value:.{decimals}f} %"
    if interval is None:
        return text
    low, high = (f"{100 * end:.{decimals}f}" for end in interval)
    return f"{text} [{low}, {high}]"


def metric_label(name: str) -> str:
    """Return a metric's name for people: WER for wer, tokens per sample for tokens_per_sample."""
    return name.upper() if len(name) <= 3 else name.replace("_", " ")


def share(part: float, whole: float) -> str:
    """Return a share in percent: 0.0124 %; a dash where the whole is 0."""
    return f"{100 * part / whole:.3g}{_GAP}%" if whole else NONE


def disk_size(n_bytes: int) -> str:
    """Return a size in decimal units, in which disks are sold: 470.2 GB, 12.0 MB, 900 bytes."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} bytes"


def memory_size(n_bytes: float | None) -> str:
    """Return a size in binary units: 76.8 MiB; a dash for None."""
    if n_bytes is None:
        return NONE
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(n_bytes) < 1024:
            return f"{n_bytes:.3g}{_GAP}{unit}" if n_bytes < 1000 else f"{n_bytes:.0f}{_GAP}{unit}"
        n_bytes /= 1024
    return f"{n_bytes:,.1f}{_GAP}TiB"


def utc_time(iso: str) -> str:
    """Return a time in UTC, given in ISO 8601, to the second: 2026-11-22 05:05:51 UTC."""
    return f"{iso[:19].replace('T', ' ')} UTC"


def value_text(value: bool | float | str | None, digits: int = 9) -> str:
    """Return the value of a check or setting: true, 0.78, 13368; "-" for None.

    Args:
        value: The value.
        digits: Significant digits of a float.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
