"""Figures as a person reads them: durations, latencies, rates."""


def duration(seconds: float) -> str:
    """Word a duration: 48 s, 2 min 05 s, 1 h 03 min."""
    whole = round(max(seconds, 0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def latency(seconds: float | None) -> str:
    """Word a latency in three digits: 85 ms, 1.25 s, 12.5 s; a dash where there is none."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.{0 if seconds >= 0.0995 else 1}f} ms"
    return f"{seconds:.{2 if seconds < 9.995 else 1 if seconds < 99.95 else 0}f} s"


def rate(per_second: float) -> str:
    """Word a rate in three digits or more: 0.52, 12.5, 1,250."""
    return f"{per_second:,.{2 if per_second < 9.995 else 1 if per_second < 99.95 else 0}f}"
