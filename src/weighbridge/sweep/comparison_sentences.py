"""What a comparison found, one plain sentence a row."""

from weighbridge.records.comparison import ComparisonResult, ComparisonRow, Ratio, SweepComparison

METRIC_NAMES = {
    "qps": "requests/s",
    "goodput": "requests/s that met the objectives",
    "e2e.p99": "speed at the 99th percentile of latency",
    "e2e.p90": "speed at the 90th percentile of latency",
}
"""What a speed-up is a ratio of, for people."""
_VERBS = {
    ComparisonResult.FASTER: "is faster than",
    ComparisonResult.SLOWER: "is slower than",
    ComparisonResult.INDICATIVE_FASTER: "seems faster than",
    ComparisonResult.INDICATIVE_SLOWER: "seems slower than",
}


def comparison_sentences(comparison: SweepComparison) -> tuple[str, ...]:
    """Return a sentence for each row of a comparison, in its order; none for one system alone."""
    several = len({(cell.workload, cell.level) for cell in comparison.cells}) > 1
    return tuple(_sentence(comparison, row, several) for row in comparison.rows)


def _sentence(comparison: SweepComparison, row: ComparisonRow, several: bool) -> str:
    baseline = comparison.baseline
    where = f" at {_load(comparison, row)}" if several else ""
    if row.result is ComparisonResult.NOT_COMPARABLE:
        reasons = "; ".join(reason.rstrip(".") for reason in row.reasons) or "no reason is known"
        return f"{row.system} cannot be compared with {baseline}{where}: {reasons}."
    shown = _shown(row)
    if row.noise_floor:
        return f"{baseline} beside its own second copy{where}: {shown}, which is the noise floor."
    if (verb := _VERBS.get(row.result)) is not None:
        return f"{row.system} {verb} {baseline}{where}: {shown}."
    if row.result is ComparisonResult.SAME:
        margin = f"{100 * comparison.equivalence:g} %"
        return f"{row.system} is as fast as {baseline} within {margin}{where}: {shown}."
    return f"Whether {row.system} or {baseline} is faster{where} is not decided: {shown}{_needed(row)}."


def _load(comparison: SweepComparison, row: ComparisonRow) -> str:
    one_workload = len({cell.workload for cell in comparison.cells}) == 1
    return row.level if one_workload else f"{row.workload}, {row.level}"


def _shown(row: ComparisonRow) -> str:
    """Return the speed-up with its interval, never without, and what it is a ratio of."""
    found = row.speed_up
    if found is None:
        return "no ratio is known"
    return f"{interval_text(found)} times the {METRIC_NAMES.get(row.metric, row.metric)}"


def interval_text(found: Ratio) -> str:
    """Return a ratio with its 95 % interval, such as 1.136 [1.098, 1.175]."""
    if found.low is None or found.high is None:
        blocks = f"{found.blocks} block{'' if found.blocks == 1 else 's'}"
        return f"{found.ratio:.3f} [no interval from {blocks}]"
    return f"{found.ratio:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _needed(row: ComparisonRow) -> str:
    blocks = row.speed_up.blocks if row.speed_up else 0
    if row.blocks_needed is None:
        return ""
    return f"; about {row.blocks_needed} blocks would decide it, {max(row.blocks_needed - blocks, 1)} more"
