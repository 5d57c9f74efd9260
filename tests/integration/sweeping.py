"""Helpers for tests of sweeps against simulated servers: quick settings, and an observer that remembers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.sweep_plan import CellPlan, SessionKey, SweepPlan
from weighbridge.records.sweep_run import CellRecord

MODEL = "simulated"


def quick_sweep(urls: Mapping[str, str], **changes: Any) -> SweepSettings:
    """Return a sweep of attached servers whose runs last a second or so."""
    systems = {name: {"server": {"model_name": MODEL, "endpoints": [url]}} for name, url in urls.items()}
    described: dict[str, Any] = {
        "name": "quick",
        "systems": systems,
        "workloads": [{"name": "w", "stream": False, "output_tokens": 8}],
        "levels": {"closed": [4]},
        "blocks": 2,
        "aa": False,
        "duration_s": 0.5,
        "min_requests": 8,
        "max_duration_s": 20.0,
        "warmup_s": 0.1,
        "start_warmup_s": 0.5,
    }
    return SweepSettings.parse(described | changes, "test")


@dataclass
class Seen:
    """An observer that remembers what it was told.

    Attributes:
        at_cell: Called when a run begins.
    """

    at_cell: Callable[[SessionKey], None] = lambda _: None
    plans: list[SweepPlan] = field(default_factory=list)
    stages: list[tuple[str, str]] = field(default_factory=list)
    sessions: list[SessionKey] = field(default_factory=list)
    numbers: list[tuple[int, int]] = field(default_factory=list)
    records: list[CellRecord] = field(default_factory=list)

    def planned(self, plan: SweepPlan) -> None:
        self.plans.append(plan)

    def system(self, name: str, stage: str) -> None:
        self.stages.append((name, stage))

    def session(self, key: SessionKey) -> None:
        self.sessions.append(key)

    def cell(self, key: SessionKey, _: CellPlan, number: int, of: int) -> None:
        self.numbers.append((number, of))
        self.at_cell(key)

    def measuring(self, counts: SampleCounts) -> None:
        pass

    def measured(self, record: CellRecord) -> None:
        self.records.append(record)

    @property
    def runs(self) -> list[tuple[int, int, str, str]]:
        """Wave, block, system and load of each run, in their order."""
        return [(each.wave, each.block, each.system, each.level.name) for each in self.records]
