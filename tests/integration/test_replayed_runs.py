"""Measured runs of conversations against those computed from the same bytes, without clock or network.

bench/replay.py has the same cases at full length, with limits for a quiet machine. Here a busy machine may
delay answers, so that latencies may be longer; they are never shorter, whatever the machine does, unless a
time is booked wrongly.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from measured_cell import Bench
from simulating import any_length

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.records.sweep_run import CellFigures
from weighbridge.requests.workload_store import WorkloadStore
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.cell_prediction import sent_bodies
from weighbridge.simulate.run_replay import replayed_figures

BEHAVIOUR = Behaviour(servers=8, mean_s=0.1, distribution="exponential")
EARLY, LATE, LATE_S = 0.03, 0.5, 0.05


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with any_length(BEHAVIOUR) as found:
        yield found


def computed_and_measured(
    url: str, folder: Path, level: LoadLevel, conversations: int, **given: Any
) -> tuple[CellFigures, CellFigures]:
    """Run once, and compute the same run; check what must be equal."""
    workload = Workload.parse({"name": "w", "output_tokens": {"uniform": [5, 30]}, **given}, "test")
    around = max(2 * (level.closed or 0), 20)
    bench = Bench(
        folder, workload, level, PhaseCounts(warmup=around, measured=conversations, cooldown=around)
    )
    found, load, _ = bench.run(url)
    assert load.failures == 0
    store = WorkloadStore.open(folder / "requests")
    turns = store.slice(1, level.name)
    expected = replayed_figures(turns, level, workload, sent_bodies(store, BEHAVIOUR), BEHAVIOUR)
    assert found is not None
    assert expected is not None
    assert found.requests == expected.requests
    assert found.prompt_tokens == expected.prompt_tokens
    assert found.output_tokens == expected.output_tokens
    return expected, found


def check_times(expected: CellFigures, found: CellFigures, *, stream: bool) -> None:
    assert expected.qps * 0.65 < found.qps < expected.qps * (1 + EARLY)
    assert found.concurrency > 0.7 * expected.concurrency
    for name in ("e2e", "ttft") if stream else ("e2e",):
        latency, ideal = getattr(found, name), getattr(expected, name)
        for statistic in ("mean", "p50", "p90"):
            value, best = getattr(latency, statistic), getattr(ideal, statistic)
            assert best * (1 - EARLY) < value < best * (1 + LATE) + LATE_S, (name, statistic)


@pytest.mark.parametrize(
    ("level", "requests", "stream"),
    [
        (LoadLevel(poisson=40), 150, True),
        (LoadLevel(poisson=64), 200, False),
        (LoadLevel(closed=16), 200, True),
        (LoadLevel(closed=4), 120, False),
    ],
    ids=lambda value: value.name if isinstance(value, LoadLevel) else None,
)
def test_runs_are_measured_as_they_are_computed(
    url: str, tmp_path: Path, level: LoadLevel, requests: int, stream: bool
) -> None:
    expected, found = computed_and_measured(url, tmp_path, level, requests, stream=stream)
    check_times(expected, found, stream=stream)


@pytest.mark.parametrize("history", ["recorded", "live"])
def test_conversations_of_several_turns_are_too(url: str, tmp_path: Path, history: str) -> None:
    level = LoadLevel(closed=6)
    expected, found = computed_and_measured(
        url, tmp_path, level, 40, turns=3, think_time_s=0.05, history=history
    )
    check_times(expected, found, stream=True)
    assert found.requests == 120
    assert found.previous_turns == 2
