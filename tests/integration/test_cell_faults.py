"""Single runs against a simulated server: reuse that is explained or unknown, overload."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from measured_cell import Bench
from simulating import any_length

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.records.verdict import Check
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.sweep.delivery_checks import CLIENT_CHECKS

WORKLOAD = Workload(name="chat", output_tokens=20)
CLOSED = LoadLevel(closed=4)
SHORT = PhaseCounts(warmup=8, measured=100, cooldown=8)
QUICK = Behaviour(mean_s=0.03)


@pytest.fixture(scope="module")
def quick() -> Iterator[str]:
    """A server that answers after 30 ms."""
    with any_length(QUICK) as url:
        yield url


def bench(folder: Path, workload: Workload = WORKLOAD, level: LoadLevel = CLOSED, **counts: int) -> Bench:
    return Bench(folder, workload, level, SHORT.model_copy(update=counts))


def refused(checks: dict[str, Check]) -> dict[str, str]:
    """Return the remedies of what forbids a comparison, by check."""
    return {
        name: check.remedy or "" for name, check in checks.items() if check.asked and check.passed is not True
    }


def test_turns_that_repeat_what_came_before_do_not_contaminate(tmp_path: Path) -> None:
    turns = WORKLOAD.model_copy(update={"turns": WORKLOAD.turns.model_copy(update={"const": 3.0})})
    with any_length(Behaviour(mean_s=0.02, prefix_cache=True)) as url:
        figures, _, checks = bench(tmp_path, turns, measured=40).run(url)
    assert figures is not None
    assert figures.previous_turns == 2
    assert figures.reuse.share is not None
    assert 0.2 < figures.reuse.share <= figures.reuse.expected + 0.02
    assert "prompt tokens from caches" not in refused(checks)


def test_what_a_server_says_of_no_cache_is_unknown(tmp_path: Path, quick: str) -> None:
    figures, _, checks = bench(tmp_path).run(quick)
    assert figures is not None
    assert figures.reuse.share is None
    assert checks["prompt tokens from caches"].value == "unknown"
    # Nothing else is wrong with it, but for what a machine with other work does to the client's times.
    assert set(refused(checks)) <= set(CLIENT_CHECKS)


def test_an_open_load_of_a_fifth_too_much_is_overloaded(tmp_path: Path) -> None:
    # Four servers of 20 ms: 200 requests/s.
    busy = Behaviour(servers=4, mean_s=0.02, distribution="exponential")
    level = LoadLevel(poisson=240.0)
    with any_length(busy) as url:
        figures, _, checks = bench(tmp_path, level=level, warmup=100, measured=1000, cooldown=50).run(url)
    assert figures is not None
    assert figures.overloaded
    assert figures.qps < 0.95 * (figures.offered_qps or 0)
    assert "latencies may not" in checks["overloaded"].limit
