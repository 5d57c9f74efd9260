"""Reasons for which two systems are not compared at one workload and load, each with its remedy."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.comparison import SystemFigures


def refusals_of(
    settings: SweepSettings,
    name: str,
    metric: str,
    systems: Mapping[str, SystemFigures],
    blocks: Sequence[str],
    tried: int,
) -> list[str]:
    """Return why a system and the baseline are not compared; empty: they are.

    Args:
        settings: The sweep.
        name: The other system.
        metric: What the verdict would be by.
        systems: Figures of each system at this workload and load.
        blocks: Blocks in which both were measured to the end.
        tried: Blocks in which both were measured.
    """
    sides = {each: systems[each] for each in (settings.reference, name)}
    checks = [reason for each, figures in sides.items() for reason in _checks(each, figures)]
    if checks:
        return checks
    if 2 * len(blocks) < tried or not blocks:
        return [_lost(sides, len(blocks), tried)]
    return list(_missing(metric, sides, blocks))


def _checks(name: str, figures: SystemFigures) -> Iterator[str]:
    """Yield each check that forbids a comparison once, with the first value of all runs."""
    counts = Counter(check.name for check in figures.refused)
    for check in {check.name: check for check in reversed(figures.refused)}.values():
        state = "is not known" if check.passed is None else f"is {_text(check.value)}"
        where = f" (in {counts[check.name]} runs)" if counts[check.name] > 1 else ""
        yield f"{name}: {check.name} {state}, required: {check.limit}{where}. {check.remedy or ''}".strip()


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _lost(sides: Mapping[str, SystemFigures], pairs: int, tried: int) -> str:
    ended = [
        f"{name}: {reason}"
        for name, figures in sides.items()
        for reason in (*figures.lost.values(), *figures.disturbed.values())
    ]
    if not ended:
        return "No block has runs of both systems yet. Repeat the command to go on."
    return (
        f"Only {pairs} of {tried} blocks can be compared, because a run ended early, or the client "
        f"disturbed it ({ended[0]}). Lower the load, keep other work off the client, or read the run's "
        f"errors.jsonl."
    )


def _missing(metric: str, sides: Mapping[str, SystemFigures], blocks: Sequence[str]) -> Iterator[str]:
    for name, figures in sides.items():
        values = figures.per_block.get(metric, {})
        if any(block not in values for block in blocks):
            yield f"{name}: {metric} is not known in every block. {_remedy(figures)}"
        elif any(values[block] <= 0 for block in blocks):
            yield f"{name}: {metric} is 0 in a block. Lower the load, so that objectives are met."


def _remedy(figures: SystemFigures) -> str:
    if figures.overloaded:
        return "It is overloaded, so that latencies grow with the duration: offer a lower rate."
    return "Measure longer, so that there are enough requests."
