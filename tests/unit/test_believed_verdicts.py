"""Verdicts on simulated servers whose difference is known, computed from schedules without a network.

bench/believed.py measures the same comparisons.
"""

import math
from collections.abc import Callable
from functools import partial

import pytest
from test_sweep_planning import EMPTY, sweep

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.records.comparison import ComparisonResult
from weighbridge.records.sweep_plan import PhaseCounts, SessionKey
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.run_replay import replayed_figures
from weighbridge.sweep.cell_key import identities_of
from weighbridge.sweep.planning import NeededWave, with_wave
from weighbridge.sweep.statistics import PairedRatio, result_of

BLOCKS = 6
LEVEL = LoadLevel(closed=32)
COUNTS = PhaseCounts(warmup=64, measured=300, cooldown=64)
WORKLOAD = Workload.parse({"name": "w", "stream": False, "output_tokens": {"uniform": [88, 152]}}, "test")
NOISY = Behaviour(servers=8, mean_s=0.1, distribution="exponential", run_noise_cv=0.02)
DRIFT = 0.02  # of a slot

BehaviourOf = Callable[[SessionKey], Behaviour]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WorkloadStore:
    folder = tmp_path_factory.mktemp("believed") / "store"
    slices = [SliceSpec(block, 1, LEVEL, COUNTS) for block in range(1, BLOCKS + 1)]
    build_workload_store(WORKLOAD, slices, folder)
    return WorkloadStore.open(folder)


def compared(store: WorkloadStore, behaviour_of: BehaviourOf, order: str = "balanced") -> PairedRatio:
    """Return B by A in requests/s, of sessions in the order in which a sweep holds them."""
    settings = sweep(aa=False, order=order)
    needed = NeededWave(("A", "B"), (), BLOCKS)
    plan = with_wave(settings, EMPTY, needed, [], identities_of(settings, None))
    rates: dict[str, dict[int, float]] = {"A": {}, "B": {}}
    for key in plan.waves[0].sessions():
        found = replayed_figures(
            store.slice(key.block, LEVEL.name), LEVEL, WORKLOAD, store.body, behaviour_of(key), run=key.block
        )
        assert found is not None
        rates[key.system][key.block] = found.qps
    blocks = range(1, BLOCKS + 1)
    return PairedRatio.of(*([rates[system][block] for block in blocks] for system in "AB"))


def verdict(ratio: PairedRatio) -> ComparisonResult:
    return result_of(ratio, ratio.p, 0.05, lower_is_better=False)


def noisy(key: SessionKey, speed: float = 1.0, drift: float = 0.0) -> Behaviour:
    """Return a system with run noise of its own, B with another speed, all slower from slot to slot."""
    own = speed if key.system == "B" else 1.0
    seed = 1 if key.system == "A" else 2
    return NOISY.model_copy(update={"noise_seed": seed, "speed": own / (1 + drift * key.slot)})


def slots(key: SessionKey) -> Behaviour:
    """Return equal capacities: A has 32 slots, B has 16 that are twice as fast."""
    if key.system == "A":
        return Behaviour(servers=32, tpot_s=0.01)
    return Behaviour(servers=16, tpot_s=0.01, speed=2)


def test_equal_servers_are_the_same(store: WorkloadStore) -> None:
    assert verdict(compared(store, noisy)) is ComparisonResult.SAME


def test_a_tenth_more_speed_is_faster_by_an_interval_that_contains_it(store: WorkloadStore) -> None:
    ratio = compared(store, partial(noisy, speed=1.1))
    low, high = map(math.exp, ratio.log_interval())
    assert verdict(ratio) is ComparisonResult.FASTER
    assert 1 < low < 1.1 < high


def test_half_the_slots_of_twice_the_speed_are_the_same(store: WorkloadStore) -> None:
    ratio = compared(store, slots)
    assert verdict(ratio) is ComparisonResult.SAME
    assert ratio.ratio == pytest.approx(1, abs=0.01)


def test_a_drift_favours_no_system_unless_they_are_measured_one_after_the_other(
    store: WorkloadStore,
) -> None:
    drifting = partial(noisy, drift=DRIFT)
    assert verdict(compared(store, drifting)) is ComparisonResult.SAME
    assert verdict(compared(store, drifting, "sequential")) is ComparisonResult.SLOWER
