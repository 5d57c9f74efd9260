"""Whether the runs of two systems at one workload and load may be compared with each other."""

from collections.abc import Callable, Hashable, Iterator, Sequence

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.sweep_run import CellFigures, CellRecord

_SAME_TOKENS = 0.01
_SAME: tuple[tuple[str, str, Callable[[CellRecord], Hashable]], ...] = (
    (
        "number of conversations",
        "measure both by one plan.json, in a new folder",
        lambda cell: (cell.counts.warmup, cell.counts.measured, cell.counts.cooldown),
    ),
    ("store of requests", "measure both with one store, in a new folder", lambda cell: cell.store_sha256),
    ("client's host", "measure both from one machine", lambda cell: cell.host.name),
    ("client's code", "measure both with one release", lambda cell: cell.code_sha256),
)
"""What must be one for all runs of a wave and block: its name, what to do, and how it is found."""


def pair_checks(
    baseline: Sequence[CellRecord], other: Sequence[CellRecord], settings: SweepSettings
) -> tuple[str, ...]:
    """Return why two systems' runs may not be compared, each reason a sentence that says what to do.

    What each run's own checks found is not repeated here.

    Args:
        baseline: The runs of the baseline at one workload and load, of paired blocks.
        other: Those of the other system, of the same waves and blocks.
        settings: The sweep.
    """
    pairs: dict[tuple[int, int], list[CellRecord]] = {}
    for cell in (*baseline, *other):
        pairs.setdefault((cell.wave, cell.block), []).append(cell)
    reasons = [
        f"The runs of a block differ in the {name}: {remedy}."
        for name, remedy, value in _SAME
        if any(len({value(cell) for cell in cells}) > 1 for cells in pairs.values())
    ]
    if _blocks(baseline) != _blocks(other):
        reasons.append(
            "The runs are not of the same waves and blocks, so that nothing pairs them: measure both systems "
            "in one wave."
        )
    if any(cell.level.ramp is not None for cells in pairs.values() for cell in cells):
        reasons.append("A ramp shows where a system bends and is never compared: use poisson, or closed.")
    for cells in (baseline, other):
        reasons += _versions(cells)
    if not settings.allow_unequal_work:
        reasons += unequal_work(baseline, other)
    return tuple(reasons)


def unequal_work(baseline: Sequence[CellRecord], other: Sequence[CellRecord]) -> tuple[str, ...]:
    """Return how the work of two systems differs; `allow_unequal_work` makes these notes of reasons."""
    return (
        *_tokens(baseline, other, "prompt", "prompt_tokens", _PROMPTS),
        *_tokens(baseline, other, "output", "output_tokens", _OUTPUTS),
    )


_PROMPTS = (
    "they make different work of the same bytes, such as by resizing images or by another chat template: "
    "give them the same preprocessing, or set allow_unequal_work: true"
)
_OUTPUTS = "set the workload's force_length, or set allow_unequal_work: true and compare output_tps"


def _tokens(
    baseline: Sequence[CellRecord], other: Sequence[CellRecord], title: str, field: str, remedy: str
) -> Iterator[str]:
    """Yield the reason if the mean number of tokens differs by more than 1 %, or is not known."""
    means = [_mean(cells, field) for cells in (baseline, other)]
    names = [cells[0].system if cells else "no system" for cells in (baseline, other)]
    for name, mean in zip(names, means, strict=True):
        if mean is None:
            yield (
                f"{name} does not report its {title} tokens, so that equal work cannot be shown: let it "
                "report usage, or set allow_unequal_work: true."
            )
    if means[0] is None or means[1] is None:
        return
    if abs(means[1] - means[0]) > _SAME_TOKENS * means[0]:
        sizes = f"{names[0]} {means[0]:.1f} on average, {names[1]} {means[1]:.1f}"
        yield f"{title.capitalize()} tokens differ by {means[1] / means[0] - 1:+.1%} ({sizes}): {remedy}."


def _mean(cells: Sequence[CellRecord], field: str) -> float | None:
    found = [value for cell in cells if (value := _value(cell.figures, field)) is not None]
    return sum(found) / len(found) if found else None


def _value(figures: CellFigures | None, field: str) -> float | None:
    value: float | None = None if figures is None else getattr(figures, field)
    return value


def _blocks(cells: Sequence[CellRecord]) -> set[tuple[int, int]]:
    return {(cell.wave, cell.block) for cell in cells}


def _versions(cells: Sequence[CellRecord]) -> Iterator[str]:
    """Yield the reason if a system was not the same in all its runs."""
    versions = sorted({cell.server.version or "unknown" for cell in cells})
    if len(versions) > 1:
        yield (
            f"{cells[0].system} changed its version between blocks ({', '.join(versions)}): keep one version "
            "for the whole sweep, and measure again in a new folder."
        )
