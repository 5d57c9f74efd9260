"""Recorded sweeps whose values are given, for tests of what compares them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from weighbridge.records.comparison import (
    COMPARISON,
    ComparedCell,
    ComparedDescription,
    SweepComparison,
    SystemFigures,
    WorkloadDescription,
)
from weighbridge.records.verdict import Check

# Logarithms of noise whose mean is 0, of six blocks; standard deviation 3 %.
NOISE = (0.03, -0.03, 0.015, -0.015, 0.0375, -0.0375)


def around(value: float, *, shift: int = 0) -> tuple[float, ...]:
    """Return six values with this geometric mean."""
    return tuple(value * math.exp(each) for each in (*NOISE[shift:], *NOISE[:shift]))


def figures(refused: Sequence[Check] = (), **per_block: Sequence[float]) -> SystemFigures:
    return SystemFigures(
        figures={},
        per_block={
            name.replace("_p", ".p"): {f"w1/b{block}": value for block, value in enumerate(values, start=1)}
            for name, values in per_block.items()
        },
        steady=True,
        refused=tuple(refused),
    )


def described(identity: str) -> ComparedDescription:
    return ComparedDescription(
        kind="vllm",
        version="1",
        model_name="m",
        options="",
        devices=1,
        dtype=None,
        attached=True,
        forced_lengths="honoured",
        identity=identity,
    )


def sweep_of(
    cells: Mapping[tuple[str, str], Mapping[str, SystemFigures]],
    identities: Mapping[str, str],
    *,
    digest: str = "bytes",
    phase_plan: str = "phases",
    equivalence: float = 0.05,
) -> SweepComparison:
    workloads = dict.fromkeys(workload for workload, _ in cells)
    return SweepComparison(
        sweep="s",
        weighbridge_version="1",
        started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T01:00:00+00:00",
        hosts=("here",),
        baseline=next(iter(identities)),
        equivalence=equivalence,
        blocks=6,
        phase_plan=phase_plan,
        systems={name: described(identity) for name, identity in identities.items()},
        workloads={name: WorkloadDescription(digest=digest, summary="Few.") for name in workloads},
        cells=tuple(
            ComparedCell(
                workload=workload, level=level, open=not level.startswith("closed"), systems=dict(of)
            )
            for (workload, level), of in cells.items()
        ),
        rows=(),
    )


def write_sweep(folder: Path, comparison: SweepComparison) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COMPARISON).write_text(comparison.model_dump_json())
    return folder
