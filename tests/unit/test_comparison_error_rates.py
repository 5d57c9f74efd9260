"""How often comparisons are wrong: synthetic sweeps, through the functions that judge real ones."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from weighbridge.records.comparison import ComparisonResult

SWEEPS = 10_000
CV = 0.02
BLOCKS = 6


def _synthetic() -> ModuleType:
    path = Path(__file__).parents[2] / "bench" / "synthetic_sweeps.py"
    spec = importlib.util.spec_from_file_location("synthetic_sweeps", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


synthetic = _synthetic()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2026)


@pytest.mark.parametrize("drift", synthetic.DRIFTS)
def test_a_system_beside_itself_is_rarely_called_different(rng: np.random.Generator, drift: str) -> None:
    results = synthetic.draw(rng, SWEEPS, synthetic.balanced(BLOCKS), cv=CV, drift=synthetic.DRIFTS[drift])
    rates = synthetic.judge(results)
    assert 0.04 <= rates.missed <= 0.06
    assert rates.decided <= 0.015
    assert rates.half_width == pytest.approx(0.029, abs=0.002)


def test_twelve_cells_together_are_rarely_wrong(rng: np.random.Generator) -> None:
    """Without a margin too, where all that is left of 45 % is what Holm's method allows."""
    results = synthetic.draw(
        rng, SWEEPS, synthetic.balanced(BLOCKS), cv=CV, drift=synthetic.random_walk, cells=12
    )
    assert synthetic.judge(results).false_families <= 0.06
    some = synthetic.judge(results[:4000], margin=1e-9)
    assert 0.03 <= some.false_families <= 0.06


@pytest.mark.parametrize("drift", synthetic.DRIFTS)
def test_ten_percent_are_seen(rng: np.random.Generator, drift: str) -> None:
    slots = synthetic.balanced(BLOCKS)
    results = synthetic.draw(rng, SWEEPS, slots, cv=CV, drift=synthetic.DRIFTS[drift], effect=1.1)
    rates = synthetic.judge(results, effect=1.1)
    assert rates.results[ComparisonResult.FASTER] >= 0.99
    assert 0.04 <= rates.missed <= 0.06


def test_one_system_after_the_other_is_called_different_by_a_drift(rng: np.random.Generator) -> None:
    results = synthetic.draw(rng, 2000, synthetic.sequential(BLOCKS), cv=CV, drift=synthetic.linear)
    rates = synthetic.judge(results)
    assert rates.missed > 0.45
    assert rates.decided > 0.3
