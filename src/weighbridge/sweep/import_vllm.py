"""Read the results of `vllm bench serve`, or of its sweep, as a recorded sweep that `compare` takes.

Each run is a block. vLLM counts from the first request to the last answer, ramp and drain included, and its
files do not say what was sent; the number of prompts and of their tokens stands for it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data, read_json, read_text
from weighbridge.records.comparison import (
    ComparedCell,
    ComparedDescription,
    SweepComparison,
    SystemFigures,
    WorkloadDescription,
)
from weighbridge.records.verdict import Check
from weighbridge.records.vllm_bench import VLLM_SUMMARY, VllmRun
from weighbridge.sweep.compare_sweeps import RecordedSweep
from weighbridge.sweep.statistics import mean_of

_MARGIN = 0.05
_WORKLOAD = "vllm-bench"
_TIMES = {"ttft": "ttft", "tpot": "tpot", "e2e": "e2el"}
_PARTS = {"mean": "mean", "p50": "median", "p99": "p99"}


def read_vllm(path: Path) -> RecordedSweep:
    """Read a result file of `vllm bench serve`, a summary.json of its sweep, or a folder with such files.

    Raises:
        InputError: there is no result, or a file is none of vLLM's.
    """
    files = sorted(path.rglob(VLLM_SUMMARY)) or sorted(path.glob("*.json")) if path.is_dir() else [path]
    found = [(_system(run, file, path, len(files)), run) for file in files for run in _runs(file)]
    if not found:
        raise InputError(f"{path}: holds no result of `vllm bench serve`; pass its JSON file, or its folder.")
    cells: dict[tuple[str, str], dict[str, list[VllmRun]]] = defaultdict(lambda: defaultdict(list))
    for system, run in found:
        cells[run.workload or _WORKLOAD, run.load][system].append(run)
    return RecordedSweep(str(path), _comparison(path, cells), foreign=True)


def _runs(file: Path) -> Iterator[VllmRun]:
    for data in _objects(file):
        if not isinstance(data, dict) or "request_throughput" not in data:
            raise InputError(f"{file}: is no result of `vllm bench serve`, which has request_throughput.")
        yield VllmRun.parse(data, str(file))


def _objects(file: Path) -> list[Any]:
    text = read_text(file)
    lines = text.splitlines()
    if len(lines) > 1 and all(line.startswith("{") and line.endswith("}") for line in lines):
        return [read_json(line, f"{file}, line {number}") for number, line in enumerate(lines, start=1)]
    data = read_data(file)
    return data if isinstance(data, list) else [data]


def _system(run: VllmRun, file: Path, path: Path, files: int) -> str:
    """Return a name of what was measured: of a sweep's folders, each has other arguments."""
    if run.system is not None:
        return run.system
    return str(file.parent.relative_to(path)) if files > 1 and file.parent != path else "server"


def _comparison(path: Path, cells: dict[tuple[str, str], dict[str, list[VllmRun]]]) -> SweepComparison:
    runs = [run for systems in cells.values() for each in systems.values() for run in each]
    systems = {name: each[0] for found in cells.values() for name, each in found.items()}
    work: dict[str, set[tuple[str, int, int]]] = defaultdict(set)
    for (workload, level), found in cells.items():
        work[workload] |= {
            (level, run.num_prompts, run.total_input_tokens) for each in found.values() for run in each
        }
    return SweepComparison(
        sweep=path.name,
        weighbridge_version="",
        started=min(run.date for run in runs),
        ended=max(run.date for run in runs),
        hosts=(),
        baseline=next(iter(systems)),
        equivalence=_MARGIN,
        blocks=max(len(each) for found in cells.values() for each in found.values()),
        phase_plan="vllm bench serve",
        systems={name: _description(run) for name, run in systems.items()},
        workloads={
            name: WorkloadDescription(
                digest=sha256(json.dumps(sorted(counts)).encode()).hexdigest(),
                summary=f"Prompts of vllm bench, {sum(count for _, count, _ in counts)} in all.",
            )
            for name, counts in work.items()
        },
        cells=tuple(
            ComparedCell(
                workload=workload,
                level=level,
                open=not level.startswith(("closed", "at-once")),
                systems={name: _figures(each) for name, each in found.items()},
            )
            for (workload, level), found in cells.items()
        ),
        rows=(),
    )


def _description(run: VllmRun) -> ComparedDescription:
    return ComparedDescription(
        kind=run.backend or None,
        version=None,
        model_name=run.model_id,
        options="",
        devices=None,
        dtype=None,
        attached=True,
        forced_lengths="not asked",
        identity="",
    )


def _figures(runs: Sequence[VllmRun]) -> SystemFigures:
    per_block: dict[str, dict[str, float]] = defaultdict(dict)
    for number, run in enumerate(runs, start=1):
        for name, value in _values(run):
            per_block[name][f"run {number}"] = value
    return SystemFigures(
        figures={name: mean_of([*values.values()]) for name, values in per_block.items()},
        per_block=dict(per_block),
        steady=True,
        refused=tuple(
            Check(
                run=f"run {number}",
                name="failed requests",
                value=run.failures,
                limit="0",
                passed=False,
                remedy="Look at `errors` in the file.",
            )
            for number, run in enumerate(runs, start=1)
            if run.failures
        ),
    )


def _values(run: VllmRun) -> Iterator[tuple[str, float]]:
    yield "qps", run.request_throughput
    if run.output_throughput is not None:
        yield "output_tps", run.output_throughput
    if run.request_goodput is not None:
        yield "goodput", run.request_goodput
    for ours, theirs in _TIMES.items():
        for part, name in _PARTS.items():
            value: float | None = getattr(run, f"{name}_{theirs}_ms")
            if value is not None:
                yield f"{ours}.{part}", value / 1000
