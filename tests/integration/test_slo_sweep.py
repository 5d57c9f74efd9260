"""The highest load that meets objectives, searched on a simulated server, beside what an ideal queue does."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from simulating import any_length

from weighbridge.config.settings import SearchSettings
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.records.slo_capacity import SLO_CAPACITY, SloCapacities, SloCapacity, SloTrial
from weighbridge.records.sweep_run import CellRecord
from weighbridge.requests.workload_store import WorkloadStore
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.queueing_theory import OpenLoop
from weighbridge.simulate.run_replay import replayed_figures
from weighbridge.sweep.conduct import conduct
from weighbridge.sweep.slo_search import slo_sentence
from weighbridge.sweep.slo_sweep import search_slo

BEHAVIOUR = Behaviour(servers=8, mean_s=0.03, distribution="exponential")
LIMIT_S = 0.21  # capacity is 267 requests/s

STEPS = SearchSettings(start=0.8, probe_s=15, tolerance=0.15, max_probes=4, max_confirmations=4)


class Silent:
    """An observer that shows nothing."""

    def planned(self, *_: object) -> None:
        pass

    system = session = cell = measuring = measured = planned


@dataclass(frozen=True)
class Searched:
    folder: Path
    settings: SweepSettings
    found: SloCapacity
    again: SloCapacity
    tried_again: tuple[SloTrial, ...]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("sweep")
    with any_length(BEHAVIOUR, "m") as url:
        settings = SweepSettings.parse(
            {
                "name": "slo",
                "systems": {"A": {"server": {"model_name": "m", "endpoints": [url]}}},
                "workloads": [
                    {
                        "name": "w",
                        "stream": False,
                        "output_tokens": 8,
                        "slo": {"e2e_ms": 1000 * LIMIT_S},
                    }
                ],
                "levels": {"closed": [8]},
                "blocks": 1,
                "aa": False,
                "duration_s": 1,
                "warmup_s": 0.3,
                "min_requests": 100,
            },
            "test",
        )
        conduct(settings, folder, model=None, observer=Silent())
        [found] = search_slo(settings, folder, model=None, observer=Silent(), steps=STEPS)
        tried: list[SloTrial] = []
        [again] = search_slo(settings, folder, model=None, observer=Silent(), tried=tried.append, steps=STEPS)
    return Searched(folder, settings, found, again, tuple(tried))


def _theory() -> float:
    low, high = 1.0, 266.0
    for _ in range(50):
        middle = (low + high) / 2
        slow = OpenLoop(middle, 1 / 0.03, 8).exceeds(LIMIT_S)
        low, high = (middle, high) if slow <= 0.01 else (low, middle)
    return low


def test_the_load_is_not_above_what_the_queue_can_do(searched: Searched) -> None:
    assert searched.found.rate is not None, searched.found.reason
    assert searched.found.rate < 1.15 * _theory()
    assert searched.found.trials[-1].kind == "confirmation"
    assert searched.found.trials[-1].requests >= 1000
    assert slo_sentence(searched.found).startswith("A at w: e2e <= 210 ms for 99 % of requests up to ")


def test_each_load_did_at_most_as_well_as_an_ideal_queue_with_the_same_requests(searched: Searched) -> None:
    """A busy machine may do worse, and nothing may do better."""
    place = searched.folder / "slo" / "A" / "w"
    runs = [CellRecord.read(path) for path in place.rglob("run.json") if "replaced" not in path.parts]
    assert len(runs) == len(searched.found.trials)
    for run in runs:
        kind = "confirmation" if run.sweep.endswith("confirmation") else "probe"
        store = WorkloadStore.open(place / kind / "requests" / f"w{run.wave}" / "w")
        ideal = replayed_figures(
            store.slice(run.block, run.level.name),
            run.level,
            store.manifest.workload,
            lambda index, store=store: bytes(store.body(index)),
            BEHAVIOUR,
        )
        assert run.figures is not None
        assert ideal is not None
        assert ideal.goodput_share is not None
        assert run.figures.goodput_share is not None
        assert run.figures.goodput_share <= ideal.goodput_share + 0.005


def test_a_finished_search_is_read_and_not_measured(searched: Searched) -> None:
    assert searched.again == searched.found
    assert searched.tried_again == searched.found.trials
    written = SloCapacities.read(searched.folder / SLO_CAPACITY)
    assert written.capacities == (searched.found,)
