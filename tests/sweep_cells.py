"""Synthetic runs of a sweep, as if measured: their settings, plan and cells."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.run_record import Delay, Host, LoadReport, ServerRecord
from weighbridge.records.sweep_plan import CellPlan, PhaseCounts, SweepPlan, Wave
from weighbridge.records.sweep_run import CellFigures, CellRecord, Percentiles, Reuse
from weighbridge.records.verdict import Check

COUNTS = PhaseCounts(warmup=64, measured=1000, cooldown=64)


def sweep_settings(systems: int = 2, levels: Mapping[str, Any] | None = None, **more: Any) -> SweepSettings:
    """Return a sweep of systems A, B, ... with one workload, at closed-32 if nothing else is said."""
    names = [chr(ord("A") + number) for number in range(systems)]
    return SweepSettings.model_validate(
        {
            "name": "demo-sweep",
            "systems": {
                name: {
                    "server": {
                        "model_name": "demo",
                        "args": ["--no-enable-prefix-caching" if name == "A" else "--enable-prefix-caching"],
                        "gpus": 1,
                        "dtype": "float16",
                    }
                }
                for name in names
            },
            "workloads": [{"name": "chat", "turns": 3}],
            "levels": levels or {"closed": [32]},
            **more,
        }
    )


def sweep_plan(settings: SweepSettings) -> SweepPlan:
    """Return a plan of one wave, in ABBA order."""
    orders = [settings.measured if block % 2 else settings.measured[::-1] for block in range(settings.blocks)]
    cells = [
        CellPlan(workload=workload.name, level=level, counts=COUNTS)
        for workload in settings.workloads
        for level in settings.levels.all
    ]
    wave = Wave(
        number=1, systems=settings.measured, cells=tuple(cells), blocks=settings.blocks, orders=tuple(orders)
    )
    return SweepPlan(sweep=settings.name, waves=(wave,), probed=dict.fromkeys(settings.systems, "honoured"))


@dataclass
class SyntheticSweep:
    """Runs of systems with known speeds.

    Attributes:
        settings: The sweep.
        speed: Of each system; the others have 1.
        noise: Standard deviation of a run's rate, as a share.
        capacity: Requests/s of a system of speed 1.
        seed: Of the noise.
        changes: Fields of CellFigures that differ, by system.
        checks: Refused checks, by system.
    """

    settings: SweepSettings
    speed: Mapping[str, float] = field(default_factory=dict)
    noise: float = 0.02
    capacity: float = 80.0
    seed: int = 1
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)

    @property
    def plan(self) -> SweepPlan:
        """The plan of the sweep."""
        return sweep_plan(self.settings)

    def cells(self) -> list[CellRecord]:
        """Return all runs."""
        draw = random.Random(self.seed)
        return [
            self._cell(key.wave, key.block, key.slot, key.system, cell, draw.gauss(1, self.noise))
            for wave in self.plan.waves
            for key in wave.sessions()
            for cell in wave.cells
        ]

    def _cell(self, wave: int, block: int, slot: int, system: str, cell: CellPlan, luck: float) -> CellRecord:
        speed = self.speed.get(system, 1.0) * luck
        figures = cell_figures(cell.level, self.capacity * speed, speed)
        return CellRecord(
            sweep=self.settings.name,
            key="0" * 64,
            wave=wave,
            block=block,
            slot=slot,
            system=system,
            workload=cell.workload,
            level=cell.level,
            counts=cell.counts,
            store_sha256="1" * 64,
            code_sha256="2" * 64,
            weighbridge_version="0",
            host=Host(name="host", cpus=2, memory_bytes=1, platform="Linux", python="3.12"),
            server=server_record(),
            reset="POST /reset_prefix_cache",
            load=load_report(slot),
            figures=figures.model_copy(update=dict(self.changes.get(system, {}))),
            checks=(passed_check("failed requests", 0, "0"), *self.checks.get(system, ())),
        )


def cell_figures(level: LoadLevel, capacity: float, speed: float) -> CellFigures:
    """Return what a run of a system measures that answers so many requests/s at most."""
    clients = level.closed or 1
    offered = level.rate
    qps = capacity * clients / (clients + 6) if level.closed else min(offered or 1, capacity)
    busy = 0.0 if level.closed else min(0.97, qps / capacity)
    e2e = clients / qps if level.closed else 0.1 / speed / (1 - busy)
    share = max(0.0, min(1.0, 1.6 - busy)) if level.open else 1.0
    return CellFigures(
        window_s=60.0,
        requests=3000,
        conversations=1000,
        failed=0,
        qps=qps,
        conversations_per_s=qps / 3,
        output_tps=120 * qps,
        qps_whole_run=0.9 * qps,
        goodput=share * qps,
        goodput_share=share,
        ttft=percentiles(0.2 * e2e),
        e2e=percentiles(e2e),
        tpot=percentiles(0.8 * e2e / 119),
        chunk_gap=percentiles(0.8 * e2e / 119),
        norm_latency=percentiles(e2e / 120),
        tokens_per_chunk=1.0,
        prompt_tokens=2953.0,
        output_tokens=120.0,
        previous_turns=1.0,
        other_length_share=0.0,
        reuse=Reuse(share=0.0, expected=0.0, source="usage"),
        offered_qps=offered,
        sent_qps=qps,
        concurrency=clients,
        schedule_delay_p99_s=0.0002,
        client_busy=0.1,
        trend=0.01,
        lag1=0.1,
        steady=True,
    )


def percentiles(p50: float) -> Percentiles:
    """Return a distribution with this median."""
    return Percentiles(samples=3000, mean=1.1 * p50, p50=p50, p90=1.5 * p50, p99=2 * p50)


def passed_check(name: str, value: float, limit: str) -> Check:
    """Return a check that passed."""
    return Check(run=None, name=name, value=value, limit=limit, passed=True, remedy=None)


def failed_check(name: str, value: float, limit: str, remedy: str) -> Check:
    """Return a check that failed."""
    return Check(run=None, name=name, value=value, limit=limit, passed=False, remedy=remedy)


def server_record() -> ServerRecord:
    """Return a started server."""
    return ServerRecord(
        kind="vLLM",
        command=("vllm", "serve", "demo"),
        environment={},
        endpoints=("http://127.0.0.1:8000",),
        model_name="demo",
        version="0.12.0",
        ready_s=1.0,
        golden="ok",
        warmup_requests=0,
        warmup_s=0.0,
    )


def load_report(minute: int) -> LoadReport:
    """Return what a client reports of a run that began at this minute."""
    return LoadReport(
        issued=3000,
        completed=3000,
        failed={},
        empty=0,
        requested_qps=0.0,
        achieved_qps=50.0,
        schedule_delay=Delay(p50_s=0.0, p99_s=0.0, max_s=0.0),
        client_cpu_s=1.0,
        client_cpu_us_per_request=300.0,
        peak_rss_bytes={},
        in_flight=(),
        sent_bytes=1,
        received_bytes=1,
        started=f"2026-12-01T{minute // 60:02}:{minute % 60:02}:00+00:00",
        ended=f"2026-12-01T{minute // 60:02}:{minute % 60:02}:59+00:00",
        loadgen_version="",
        settings={},
    )
