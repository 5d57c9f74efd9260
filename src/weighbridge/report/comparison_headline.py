"""The one sentence that says most of a comparison, its noise floor, and what casts doubt on it."""

from collections.abc import Iterator, Sequence

from weighbridge.core.formatting import number
from weighbridge.quality.quality_sentences import quality_clause
from weighbridge.records.comparison import ComparisonResult, ComparisonRow, Ratio, SweepComparison
from weighbridge.records.quality_comparison import QualityFinding
from weighbridge.sweep.comparison_sentences import comparison_sentences, interval_text

_SHORT = {
    ComparisonResult.SAME: "as fast",
    ComparisonResult.INCONCLUSIVE: "undecided",
}


def headline(comparison: SweepComparison) -> str:
    """Return what was found of speed, and of answers where they were asked for."""
    speed, quality = _speed(comparison), comparison.quality
    if quality is None or not quality.rows:
        return speed
    rows = [row for row in comparison.rows if not row.noise_floor]
    if len(quality.rows) == 1 and {row.system for row in rows} == {quality.rows[0].system}:
        return f"{speed.rstrip('.')}, and {quality_clause(quality, quality.rows[0])}."
    if len(quality.rows) <= _MOST_CLAUSES:
        clauses = "; ".join(f"{row.system} {quality_clause(quality, row)}" for row in quality.rows)
        return f"{speed} {clauses}."
    counts = {finding: sum(row.finding is finding for row in quality.rows) for finding in QualityFinding}
    parts = [f"{count} {finding}" for finding, count in counts.items() if count]
    systems = f"{len(quality.rows)} systems beside those of {quality.baseline}"
    return f"{speed} Answers of {systems}: {_listed(parts)}."


_MOST_CLAUSES = 2


def _speed(comparison: SweepComparison) -> str:
    """Return the only verdict as a sentence, or how many of each kind there are."""
    rows = [row for row in comparison.rows if not row.noise_floor]
    if not comparison.rows:
        return next(alone(comparison), "Nothing has been measured to the end yet.")
    if len(rows) == 1 and rows[0].result is ComparisonResult.NOT_COMPARABLE:
        return f"{rows[0].system} cannot be compared with {comparison.baseline}."
    if len(rows) <= 1:
        [sentence] = comparison_sentences(
            comparison.model_copy(update={"rows": (*rows, *comparison.rows)[:1]})
        )
        return sentence
    if len({(row.system, row.result) for row in rows}) == 1 and rows[0].speed_up is not None:
        return _all_alike(comparison, rows)
    counts = {result: sum(row.result is result for row in rows) for result in ComparisonResult}
    parts = [f"{_SHORT.get(result, str(result))} in {count}" for result, count in counts.items() if count]
    systems = list(dict.fromkeys(row.system for row in rows))
    who = f"{systems[0]} is" if len(systems) == 1 else "the other systems are"
    return f"Of {len(rows)} comparisons with {comparison.baseline}, {who} {_listed(parts)}."


def _all_alike(comparison: SweepComparison, rows: Sequence[ComparisonRow]) -> str:
    """Return the verdict that one system has at all loads, with the smallest and the largest speed-up."""
    found = sorted((row.speed_up for row in rows if row.speed_up is not None), key=lambda ratio: ratio.ratio)
    verb = _SHORT.get(rows[0].result, str(rows[0].result))
    than = "as" if rows[0].result is ComparisonResult.SAME else "than"
    if rows[0].result is ComparisonResult.INCONCLUSIVE:
        than = "beside"
    return (
        f"{rows[0].system} is {verb} {than} {comparison.baseline} at all {len(rows)} loads: "
        f"{interval_text(found[0])} to {interval_text(found[-1])} times."
    )


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def place_of(row: ComparisonRow, comparison: SweepComparison) -> str:
    """Return where a row was measured, such as 'at closed-32', with the workload if there are several."""
    return f"at {row.level}" if len(comparison.workloads) <= 1 else f"with {row.workload} at {row.level}"


def noise_floor_text(comparison: SweepComparison) -> str | None:
    """Return ratio and half-width of the baseline's copy at each load; None: it was not measured."""
    floors = [(row, row.speed_up) for row in comparison.rows if row.noise_floor]
    texts = [f"{_floor(ratio)} {place_of(row, comparison)}" for row, ratio in floors if ratio is not None]
    return "; ".join(texts) or None


def _floor(ratio: Ratio) -> str:
    if ratio.half_width is None:
        return f"{ratio.ratio:.3f}, no interval"
    return f"{ratio.ratio:.3f} ± {100 * ratio.half_width:.1f} %"


def doubts(comparison: SweepComparison) -> list[str]:
    """Return what a reader must know before the verdicts: a noise floor that is none, and warnings."""
    return [*_noise(comparison), *comparison.warnings]


def _noise(comparison: SweepComparison) -> Iterator[str]:
    for row in comparison.rows:
        if row.noise_floor and row.speed_up is not None and row.result in _DIFFERENT:
            yield (
                f"{comparison.baseline} beside its own copy reads as {row.result} "
                f"{place_of(row, comparison)}: {interval_text(row.speed_up)}. Do not trust differences of "
                "this size; find what else uses the machines, and measure again."
            )


_DIFFERENT = (ComparisonResult.FASTER, ComparisonResult.SLOWER)


def alone(comparison: SweepComparison) -> Iterator[str]:
    """Yield what each system did at each load, for a sweep that compares none."""
    for cell in comparison.cells:
        workload = f" with {cell.workload}" if len(comparison.workloads) > 1 else ""
        for system, figures in cell.systems.items():
            qps = figures.figures.get("qps")
            if qps is None:
                continue
            spread = "" if qps.low is None else f" [{number(qps.low, 4)}, {number(qps.high, 4)}]"
            blocks = f"{qps.blocks} block{'s' if qps.blocks > 1 else ''}"
            refused = f"; not valid: {figures.refused[0].wording}" if figures.refused else ""
            yield (
                f"{system} answers {number(qps.mean, 4)} requests/s{spread} at {cell.level}{workload} "
                f"({blocks}){refused}."
            )
