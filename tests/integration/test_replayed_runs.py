"""Measured runs of conversations against those computed from the same bytes, without clock or network.

bench/replay.py has the same cases at full length, with limits for a quiet machine. Here a busy machine may
delay answers, so that latencies may be longer; they are never shorter, whatever the machine does, unless a
time is booked wrongly.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from simulating import any_length

from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.client.issuer import Target
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.settings import ClientSettings
from weighbridge.config.workload import Workload
from weighbridge.records.run_record import REQUESTS_TABLE
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.records.sweep_run import CellFigures
from weighbridge.requests.turns import Turns
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.cell_prediction import sent_bodies
from weighbridge.simulate.run_replay import replayed_figures
from weighbridge.sweep.cell_figures import figures_of

BEHAVIOUR = Behaviour(servers=8, mean_s=0.1, distribution="exponential")
SHARE_EARLY, SHARE_LATE, LATE_S = 0.03, 0.25, 0.02


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with any_length(BEHAVIOUR, "m") as found:
        yield found


def store_of(out: Path, level: LoadLevel, measured: int, **given: object) -> WorkloadStore:
    workload = Workload.parse({"name": "w", "output_tokens": {"uniform": [5, 30]}, **given}, "test")
    around = max(2 * (level.closed or 0), 20)
    counts = PhaseCounts(warmup=around, measured=measured, cooldown=around)
    build_workload_store(workload, [SliceSpec(1, 1, level, counts)], out)
    return WorkloadStore.open(out)


def run(url: str, store: WorkloadStore, level: LoadLevel, out: Path) -> tuple[Turns, CellFigures]:
    turns = store.slice(1, level.name)
    target = Target((url,), store.sent_as("m"), ClientSettings(connections=64))
    report = ConversationIssuer("replayed", level, turns).issue(target, out)
    assert report.aborted is None
    assert report.failures == 0
    figures = figures_of(pq.read_table(out / REQUESTS_TABLE), turns, level, store.manifest.workload, report)
    assert figures is not None
    return turns, figures


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
    check(url, tmp_path, level, store_of(tmp_path / "store", level, requests, stream=stream))


@pytest.mark.parametrize("history", ["recorded"])
def test_conversations_of_several_turns_are_too(url: str, tmp_path: Path, history: str) -> None:
    level = LoadLevel(closed=6)
    found = check(
        url,
        tmp_path,
        level,
        store_of(tmp_path / "store", level, 40, turns=3, think_time_s=0.05, history=history),
    )
    assert found.requests == 120
    assert found.previous_turns == 1


def check(url: str, folder: Path, level: LoadLevel, store: WorkloadStore) -> CellFigures:
    """Measure a run, and compare it with the computed one."""
    turns, found = run(url, store, level, folder / "run")
    workload, body_of = store.manifest.workload, sent_bodies(store, BEHAVIOUR)
    expected = replayed_figures(turns, level, workload, body_of, BEHAVIOUR)
    assert expected is not None
    assert found.requests == expected.requests
    assert found.prompt_tokens == expected.prompt_tokens
    assert found.output_tokens == expected.output_tokens
    assert expected.qps * 0.8 < found.qps < expected.qps * (1 + SHARE_EARLY)
    assert found.concurrency > 0.9 * expected.concurrency
    for name in ("e2e", *(("ttft",) if workload.stream else ())):
        latency, should = getattr(found, name), getattr(expected, name)
        for statistic in ("mean", "p50", "p90"):
            value, ideal = getattr(latency, statistic), getattr(should, statistic)
            assert ideal * (1 - SHARE_EARLY) < value < ideal * (1 + SHARE_LATE) + LATE_S, (name, statistic)
    return found
