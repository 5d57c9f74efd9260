"""The folder of a finished sweep, made without a network: runs replayed against simulated systems."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from sweep_cells import load_report, server_record, sweep_settings

from weighbridge.client.conversation_issuer import planned_conversations
from weighbridge.client.request_log import table_of
from weighbridge.config.load_level import LoadLevel
from weighbridge.records.comparison import COMPARISON
from weighbridge.records.run_record import Host
from weighbridge.records.sweep_plan import PLAN, CellPlan, PhaseCounts, SessionKey, SweepPlan, Wave
from weighbridge.records.sweep_run import CELL_RECORD, CellRecord
from weighbridge.requests.slice_draws import SliceSpec
from weighbridge.requests.workload_store import WorkloadStore, build_workload_store
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.run_replay import replay
from weighbridge.sweep.cell_figures import figures_of
from weighbridge.sweep.compare_blocks import compare_cells

COUNTS = PhaseCounts(warmup=8, measured=40, cooldown=8)
STREAMED = Behaviour(servers=8, ttft_s=0.02, tpot_s=0.007, distribution="exponential")


def write_replayed_sweep(
    folder: Path,
    systems: Mapping[str, Behaviour],
    levels: Sequence[LoadLevel],
    *,
    blocks: int = 3,
    counts: PhaseCounts = COUNTS,
    workload: Mapping[str, Any] | None = None,
) -> Path:
    """Write a sweep of systems by their names, A the baseline, each run replayed.

    Returns:
        The folder, with plan.json, comparison.json, the store, and each run's records.
    """
    chat = {"name": "chat", "turns": 2, "output_tokens": 12, "slo": {"e2e_ms": 500}, **(workload or {})}
    kinds: dict[str, list[Any]] = {}
    for level in levels:
        kinds.setdefault(level.kind, []).append(getattr(level, level.kind))
    settings = sweep_settings(len(systems), kinds, blocks=blocks, aa=False, workloads=[chat])
    names = tuple(settings.systems)
    assert names == tuple(systems)
    cells = tuple(CellPlan(workload="chat", level=level, counts=counts) for level in levels)
    orders = tuple(names if block % 2 else names[::-1] for block in range(blocks))
    wave = Wave(number=1, systems=names, cells=cells, blocks=blocks, orders=orders)
    plan = SweepPlan(sweep=settings.name, waves=(wave,))
    slices = [SliceSpec(block, 1, level, counts) for block in range(1, blocks + 1) for level in levels]
    build_workload_store(settings.workloads[0], slices, folder / "requests" / "w1" / "chat")
    store = WorkloadStore.open(folder / "requests" / "w1" / "chat")
    records = [
        _run(folder / key.folder / cell.name, key, cell, store, systems[key.system])
        for key in wave.sessions()
        for cell in cells
    ]
    (folder / PLAN).write_text(plan.model_dump_json())
    (folder / COMPARISON).write_text(compare_cells(settings, plan, records).model_dump_json())
    return folder


def _run(
    folder: Path, key: SessionKey, cell: CellPlan, store: WorkloadStore, behaviour: Behaviour
) -> CellRecord:
    turns = store.slice(key.block, cell.level.name)
    requests = replay(
        planned_conversations(turns, cell.level),
        cell.level.closed or 0,
        lambda index: bytes(store.body(index)),
        behaviour,
        run=key.slot,
    )
    table = table_of(requests)
    record = CellRecord(
        sweep="demo-sweep",
        key=f"{key.folder}/{cell.name}",
        wave=key.wave,
        block=key.block,
        slot=key.slot,
        system=key.system,
        workload=cell.workload,
        level=cell.level,
        counts=cell.counts,
        store_sha256=store.manifest.digest,
        code_sha256="2" * 64,
        weighbridge_version="0",
        host=Host(name="host", cpus=2, memory_bytes=1, platform="Linux", python="3.12"),
        server=server_record(),
        reset="POST /reset_prefix_cache",
        load=load_report(key.slot),
        figures=figures_of(table, turns, cell.level, store.manifest.workload, None),
        checks=(),
    )
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "requests.parquet")
    (folder / CELL_RECORD).write_text(record.model_dump_json())
    return record
