"""Write a sweep as llm-d Benchmark Reports of version 0.2, one a run, in YAML.

Its `inter_token_latency` is left out, because single gaps between tokens are not recorded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from weighbridge.core.files import write_atomic
from weighbridge.report.exported_runs import ExportedRun, exported_runs
from weighbridge.sweep.run_rows import Floats, Numbers

VERSION = "0.2.1"
_NAMES = {
    "p0p1": 0.1,
    "p1": 1.0,
    "p5": 5.0,
    "p10": 10.0,
    "p25": 25.0,
    "p50": 50.0,
    "p75": 75.0,
    "p90": 90.0,
    "p95": 95.0,
    "p99": 99.0,
    "p99p9": 99.9,
}
_TAIL_SAMPLES = 10  # a percentile needs so many samples beyond it


def export_llmd(sweep: Path, out: Path) -> list[Path]:
    """Write SYSTEM/WORKLOAD/LOAD/RUN.yaml below `out`.

    Returns:
        The files.

    Raises:
        InputError: `sweep` is no folder of a sweep, or damaged.
    """
    files = []
    for run in exported_runs(sweep):
        files.append(out / run.folder / f"{run.name}.yaml")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        write_atomic(files[-1], yaml.safe_dump(llmd_report(run), sort_keys=False))
    return files


def llmd_report(run: ExportedRun) -> dict[str, Any]:
    """Return one run as a Benchmark Report."""
    record = run.record
    return {
        "version": VERSION,
        "run": {
            "uid": record.key,
            "eid": record.sweep,
            "time": {
                "start": record.load.started,
                "end": record.load.ended,
                "duration": f"PT{run.figures.window_s:.3f}S",
            },
            "description": f"{record.system} at {record.workload}, {record.level.name}, {run.name}",
            "keywords": [record.system, record.workload, record.level.name],
        },
        "scenario": {"stack": [_component(run)], "load": _load(run)},
        "results": {"request_performance": {"aggregate": _aggregate(run)}},
    }


def _component(run: ExportedRun) -> dict[str, Any]:
    """Return the system. Its roles and parallelism are not known, so it is of the generic kind."""
    server = run.record.server
    described = run.comparison.systems.get(run.record.system)
    return {
        "metadata": {
            "label": run.record.system,
            "cfg_id": described.identity if described else run.record.key,
            "description": described.options if described else "",
        },
        "standardized": {
            "kind": "generic",
            "tool": server.kind or "unknown",
            "tool_version": server.version or "unknown",
            "model": {"name": server.model_name},
            "devices": run.devices,
            "host": run.record.host.name,
        },
        "native": {"args": {"command": list(server.command)}},
    }


def _load(run: ExportedRun) -> dict[str, Any]:
    record, figures, workload = run.record, run.figures, run.workload
    described = run.comparison.workloads.get(record.workload)
    synthetic = workload.source.text.kind == "synthetic"
    return {
        "metadata": {
            "cfg_id": record.store_sha256,
            "description": described.summary if described else record.workload,
        },
        "standardized": _given(
            {
                "tool": "weighbridge",
                "tool_version": record.weighbridge_version,
                "source": "random" if synthetic else "sampled",
                "input_seq_len": _length(figures.prompt_tokens or 0.0),
                "output_seq_len": None if figures.output_tokens is None else _length(figures.output_tokens),
                "multi_turn": {"enabled": True} if workload.turns.fixed != 1 else None,
                "rate_qps": record.level.rate,
                "concurrency": record.level.closed,
            }
        ),
        "native": {
            "config": {
                "workload": workload.model_dump(mode="json", exclude_defaults=True),
                "level": record.level.model_dump(mode="json", exclude_none=True),
                "conversations": record.counts.model_dump(mode="json"),
            }
        },
    }


def _length(mean: float) -> dict[str, Any]:
    return {"distribution": "other", "value": mean}


def _aggregate(run: ExportedRun) -> dict[str, Any]:
    figures, latencies, rows = run.figures, run.latencies, run.rows
    # Of an overloaded run latencies grow with its length.
    times = {} if figures.overloaded else {
        "time_to_first_token": _distribution(latencies.ttft[run.measured], "s"),
        "normalized_time_per_output_token": _distribution(latencies.norm_latency[run.measured], "s/token"),
        "time_per_output_token": _distribution(latencies.tpot[run.measured], "s/token"),
        "request_latency": _distribution(latencies.e2e[run.measured], "s"),
    }  # fmt: skip
    return {
        "requests": _given(
            {
                "total": figures.requests,
                "failures": figures.failed,
                "input_length": _distribution(_told(rows.prompt_tokens[run.measured]), "count"),
                "output_length": _distribution(_told(rows.tokens[run.measured]), "count"),
            }
        ),
        "latency": _given(times),
        "throughput": _given(
            {
                "request_rate": {"units": "queries/s", "mean": figures.qps},
                "output_token_rate": None
                if figures.output_tps is None
                else {"units": "tokens/s", "mean": figures.output_tps},
            }
        ),
    }


def _told(tokens: Numbers) -> Floats:
    """Return token counts; NaN where the server told none."""
    return np.where(tokens > 0, tokens, np.nan)


def _distribution(values: Floats, units: str) -> dict[str, Any] | None:
    """Return the statistics of the values that are not NaN; None: there is none."""
    found = values[~np.isnan(values)]
    if not len(found):
        return None
    known = {
        name: float(np.percentile(found, percent))
        for name, percent in _NAMES.items()
        if len(found) * min(percent, 100 - percent) / 100 >= _TAIL_SAMPLES
    }
    return {
        "units": units,
        "mean": float(found.mean()),
        "stddev": float(found.std()),
        "min": float(found.min()),
        **known,
        "max": float(found.max()),
    }


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
