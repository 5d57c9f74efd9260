"""Write a sweep as `vllm bench serve --save-detailed` does, for `vllm bench sweep plot` and `plot_pareto`.

The definitions stay ours, and `definitions` in each file says so: rates are of the steady window, a request's
time counts from its due time in open loops, and p99 needs 1,000 requests. `itls` repeats a request's mean gap
for each gap, because single gaps are not recorded; their sum with the TTFT is the time to the last token.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from weighbridge.core.files import write_atomic
from weighbridge.records.sweep_run import Percentiles
from weighbridge.records.vllm_bench import VLLM_SUMMARY
from weighbridge.report.exported_runs import ExportedRun, exported_runs
from weighbridge.sweep.run_rows import Floats, Numbers

_MS = 1000
_DEFINITIONS = "weighbridge: rates of the steady window, itls are a request's mean gap"


def export_vllm(sweep: Path, out: Path) -> list[Path]:
    """Write SYSTEM/WORKLOAD/LOAD/summary.json below `out`, each a list of the cell's runs.

    Returns:
        The files.

    Raises:
        InputError: `sweep` is no folder of a sweep, or damaged.
    """
    cells: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in exported_runs(sweep):
        cells[run.folder].append(vllm_run(run, len(cells[run.folder])))
    files = []
    for folder, runs in cells.items():
        files.append(out / folder / VLLM_SUMMARY)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        write_atomic(files[-1], json.dumps(runs, allow_nan=False) + "\n")
    return files


def vllm_run(run: ExportedRun, number: int) -> dict[str, Any]:
    """Return one run as `vllm bench serve` writes it, with its place in the sweep.

    Args:
        run: The run.
        number: Its number in the cell, from 0.
    """
    record, figures, rows = run.record, run.figures, run.rows
    ok = rows.ok[run.measured]
    prompt, output = (_known(column[run.measured]) for column in (rows.prompt_tokens, rows.tokens))
    gaps, chunks = run.latencies.chunk_gap[run.measured], rows.chunks[run.measured]
    rate = record.level.rate
    return {
        "date": record.load.started.replace("-", "").replace(":", "").replace("T", "-")[:15],
        "endpoint_type": f"openai-{run.workload.api}",
        "backend": f"openai-{run.workload.api}",
        "label": record.system,
        "model_id": record.server.model_name,
        "tokenizer_id": record.server.model_name,
        "num_prompts": figures.requests,
        "request_rate": "inf" if rate is None else rate,
        "burstiness": record.level.gamma.burstiness if record.level.gamma else 1.0,
        "max_concurrency": record.level.closed,
        "duration": figures.window_s,
        "completed": int(ok.sum()),
        "failed": figures.failed,
        "total_input_tokens": sum(prompt),
        "total_output_tokens": sum(output),
        "request_throughput": figures.qps,
        "request_goodput": figures.goodput,
        "output_throughput": figures.output_tps,
        "total_token_throughput": _total_rate(run),
        "max_concurrent_requests": max(1, round(figures.concurrency)),
        "input_lens": prompt,
        "output_lens": output,
        "ttfts": _or_zero(run.latencies.ttft[run.measured]),
        "itls": [
            [] if np.isnan(gap) else [float(gap)] * (int(count) - 1)
            for gap, count in zip(gaps, chunks, strict=True)
        ],
        "latencies": _or_zero(run.latencies.e2e[run.measured]),
        "start_times": run.start_s.tolist(),
        "errors": ["" if each else "failed" for each in ok],
        **_statistics("ttft", figures.ttft, run.latencies.ttft[run.measured]),
        **_statistics("tpot", figures.tpot, run.latencies.tpot[run.measured]),
        **_statistics("itl", figures.chunk_gap, gaps),
        **_statistics("e2el", figures.e2e, run.latencies.e2e[run.measured]),
        "run_number": number,
        "system": record.system,
        "workload": record.workload,
        "level": record.level.name,
        "block": f"w{record.wave}/b{record.block}",
        "num_gpus": run.devices,
        "definitions": _DEFINITIONS,
    }


def _known(tokens: Numbers) -> list[int]:
    """Return token counts; 0 where the server told none."""
    return [max(0, int(count)) for count in tokens]


def _or_zero(times: Floats) -> list[float]:
    """Return times as vLLM writes them: 0 of a request that failed."""
    return [0.0 if np.isnan(time) else float(time) for time in times]


def _total_rate(run: ExportedRun) -> float | None:
    figures = run.figures
    if figures.output_tps is None or figures.prompt_tokens is None:
        return None
    return figures.output_tps + figures.qps * figures.prompt_tokens


def _statistics(name: str, found: Percentiles | None, values: Floats) -> dict[str, float | None]:
    """Return mean, median, deviation and p99 in ms; null: not known, or too few requests."""
    known = values[~np.isnan(values)]
    given = found is not None and len(known) > 0
    return {
        f"mean_{name}_ms": found.mean * _MS if found else None,
        f"median_{name}_ms": found.p50 * _MS if found else None,
        f"std_{name}_ms": float(known.std()) * _MS if given else None,
        f"p99_{name}_ms": found.p99 * _MS if found and found.p99 is not None else None,
    }
