"""What a comparison of answers found, one plain sentence a row."""

from weighbridge.records.quality_comparison import (
    PairedAccuracy,
    QualityComparison,
    QualityFinding,
    QualityRow,
)

_COARSE = 0.005  # from this width of an interval on, a tenth of a point is enough


def quality_sentences(comparison: QualityComparison) -> tuple[str, ...]:
    """Return a sentence for each row of a comparison, in its order; none for one system alone."""
    return tuple(_sentence(comparison, row) for row in comparison.rows)


def _sentence(comparison: QualityComparison, row: QualityRow) -> str:
    a, b, paired = comparison.baseline, row.system, row.paired
    if paired is None:
        reasons = "; ".join(row.reasons) or "no reason is known"
        return f"The answers of {b} cannot be compared with those of {a}: {reasons}."
    counts = (
        f"of {paired.n:,} questions {paired.only_a:,} only {a} and {paired.only_b:,} only {b} answered right"
    )
    if row.finding in (QualityFinding.WORSE, QualityFinding.BETTER):
        return f"{b} answers {row.finding} than {a}, by {_larger(row.finding, paired)}: {counts}."
    if row.finding is QualityFinding.SAME:
        within = points_text(comparison.margin)
        return f"{b} answers as well as {a} within {within}, {signed_text(paired)}: {counts}."
    return f"Whether {b} or {a} answers better is not decided, {signed_text(paired)}: {counts}."


def quality_clause(comparison: QualityComparison, row: QualityRow) -> str:
    """Return what a row found, after 'B is faster, and': 'answers worse by 1.8 points [0.9, 2.7]'."""
    if row.paired is None:
        return "gives answers that cannot be compared"
    if row.finding in (QualityFinding.WORSE, QualityFinding.BETTER):
        return f"answers {row.finding} by {_larger(row.finding, row.paired)}"
    if row.finding is QualityFinding.SAME:
        return f"answers as well within {points_text(comparison.margin)}, {signed_text(row.paired)}"
    return f"may answer better or worse, {signed_text(row.paired)}"


def signed_text(paired: PairedAccuracy) -> str:
    """Return the difference with its interval, with a sign: -0.4 points [-1.5, +0.7]."""
    decimals = _decimals(paired)
    low, value, high = (
        _signed(100 * each, decimals) for each in (paired.low, paired.difference, paired.high)
    )
    return f"{value} points [{low}, {high}]"


def points_text(share: float) -> str:
    """Return a share in percentage points, such as '1 point' or '0.5 points'."""
    return f"{100 * share:g} point{'' if share == 0.01 else 's'}"


def _larger(finding: QualityFinding, paired: PairedAccuracy) -> str:
    """Return by how much one is better or worse, without signs: 1.8 points [0.9, 2.7]."""
    sign = 1 if finding is QualityFinding.BETTER else -1
    low, high = sorted((100 * sign * paired.low, 100 * sign * paired.high))
    decimals = _decimals(paired)
    return f"{100 * sign * paired.difference:.{decimals}f} points [{low:.{decimals}f}, {high:.{decimals}f}]"


def _decimals(paired: PairedAccuracy) -> int:
    return 1 if paired.high - paired.low >= _COARSE else 2


def _signed(value: float, decimals: int) -> str:
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"
