"""Two servers of equal capacity: the same to a sweep, and a speed-up of 1.11 to a short whole run."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sweep_cells import SyntheticSweep, sweep_settings

from weighbridge.records.comparison import ComparisonResult
from weighbridge.sweep.compare_blocks import compare_cells


@pytest.fixture
def bench(root: Path) -> ModuleType:
    """Return the script that draws the documentation's figure."""
    spec = importlib.util.spec_from_file_location("equal_capacity", root / "bench" / "equal_capacity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_whole_run_of_100_requests_reads_as_a_speed_up(bench: ModuleType) -> None:
    assert np.mean([bench.ratios(100, 0, seed)[0] for seed in range(12)]) == pytest.approx(1.11, abs=0.02)
    assert np.mean([bench.ratios(1000, 0, seed)[0] for seed in range(2)]) == pytest.approx(1.01, abs=0.005)


def test_blocks_of_1_000_requests_are_the_same_within_5_percent(bench: ModuleType) -> None:
    sweep = SyntheticSweep(sweep_settings(2, aa=False))
    cells = []
    for cell in sweep.cells():
        server = bench.SERVERS["AB".index(cell.system)]
        figures = bench.figures_of(server, 1000, bench.FILLERS, seed=cell.block)
        cells.append(cell.model_copy(update={"figures": figures}))
    [row] = compare_cells(sweep.settings, sweep.plan, cells).rows
    assert row.result is ComparisonResult.SAME
    assert row.ratios["qps"].ratio == pytest.approx(1, abs=0.01)


def test_the_figure_names_both_ways_of_counting(bench: ModuleType) -> None:
    flat = np.ones((len(bench.COUNTS), 3))
    [axes] = bench.drawn(1.1 * flat, flat).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "whole run",
        "window between fillers",
    ]
