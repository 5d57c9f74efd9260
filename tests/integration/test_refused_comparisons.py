"""Whole sweeps whose comparison must be refused: each row says which check failed, and what to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from simulating import any_length
from sweeping import MODEL, Seen, quick_sweep
from throttling import throttled

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.errors import InputError
from weighbridge.records.comparison import ComparisonResult, SweepComparison
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.sweep.compare_blocks import compare_cells
from weighbridge.sweep.conduct import conduct, read_cells
from weighbridge.sweep.sweep_folder import SweepFolder

SYSTEM = Behaviour(mean_s=0.03, prefix_cache=True)


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    """A system with a prefix cache that can be emptied."""
    with any_length(SYSTEM, MODEL) as url:
        yield url


def compared(settings: SweepSettings, folder: Path, like: Path | None = None) -> SweepComparison:
    conduct(settings, folder, model=None, observer=Seen(), like=like)
    plan = SweepFolder(folder).read_plan(settings.name)
    return compare_cells(settings, plan, read_cells(folder, plan))


def refused(comparison: SweepComparison, system: str) -> str:
    """Return why a system is not compared, after checking that nothing of it is."""
    row = next(each for each in comparison.rows if each.system == system)
    assert row.result is ComparisonResult.NOT_COMPARABLE
    assert row.speed_up is None
    assert not row.ratios
    return " ".join(row.reasons)


def test_a_second_sweep_of_the_same_bytes_is_contaminated_where_no_cache_is_emptied(
    good: str, tmp_path: Path
) -> None:
    with any_length(SYSTEM.model_copy(update={"resets": False}), MODEL) as kept:
        settings = quick_sweep({"A": good, "B": kept}, blocks=1, min_requests=24)
        first = compared(settings, tmp_path / "first")
        second = compared(settings, tmp_path / "second", like=tmp_path / "first")
    (row,) = first.rows
    assert "caches" not in " ".join(row.reasons)
    reasons = refused(second, "B")
    assert "B: prompt tokens from caches" in reasons
    assert "A: prompt tokens from caches" not in reasons
    assert "Contaminated" in reasons
    assert "reset_cmd" in reasons


def test_lengths_that_are_ignored_and_failures_are_refused_each_with_its_remedy(
    good: str, tmp_path: Path
) -> None:
    other = SYSTEM.model_copy(update={"lengths": "ignored"})
    failing = SYSTEM.model_copy(update={"failures": {"status_500": 0.03}, "seed": 3})
    with any_length(other, MODEL) as ignoring, any_length(failing, MODEL) as faulty:
        settings = quick_sweep(
            {"A": good, "ignoring": ignoring, "faulty": faulty},
            blocks=1,
            min_requests=60,
            stop={"error_abort": 0.5},
        )
        comparison = compared(settings, tmp_path / "sweep")
    reasons = refused(comparison, "ignoring")
    assert "ignoring: answers of another length" in reasons
    assert "ignored a forced length" in reasons
    assert "force_length" in reasons
    reasons = refused(comparison, "faulty")
    assert "faulty: failed requests" in reasons
    assert "errors.jsonl" in reasons
    assert "max_error_share" in reasons


def test_a_system_that_rejects_forced_lengths_is_refused_before_anything_is_measured(
    good: str, tmp_path: Path
) -> None:
    with (
        any_length(SYSTEM.model_copy(update={"lengths": "rejected"}), MODEL) as rejecting,
        pytest.raises(InputError, match=r"system B rejects .* force_length of workload w"),
    ):
        compared(quick_sweep({"A": good, "B": rejecting}), tmp_path / "sweep")


def test_a_client_that_is_too_slow_is_refused(good: str, tmp_path: Path) -> None:
    with throttled("weighbridge.client.worker"):
        comparison = compared(quick_sweep({"A": good, "B": good}, blocks=1), tmp_path / "sweep")
    reasons = refused(comparison, "B")
    assert " receive backlog (mean)" in reasons or " delay at a timer (mean)" in reasons
    assert "raise client.workers" in reasons
