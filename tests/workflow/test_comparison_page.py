"""The page of a comparison in a real browser: one system and many, wide and narrow, light and dark."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, running_browser
from compared_quality import comparison_with_quality
from page_scripts import COLLISIONS, CONTRASTS, FILLS, SCREENS
from sweep_cells import SyntheticSweep, failed_check, sweep_settings

from weighbridge.records.sweep_run import CellRecord
from weighbridge.report import comparison_charts
from weighbridge.report.sweep_curves import SHARES, RunCurves
from weighbridge.report.write_comparison import write_comparison
from weighbridge.sweep.compare_blocks import compare_cells

OBJECTIVES = [{"name": "chat", "turns": 3, "slo": {"ttft_ms": 500}}]
ANSWERS = {"B": (8000, 552, 300, 5190), "C": (8000, 100, 100, 5842)}
REMEDY = "Set `force_length: min_tokens`, or none."


@dataclass(frozen=True)
class WrittenPages:
    """Pages by the number of their systems."""

    folder: Path

    def of(self, systems: int) -> Path:
        return self.folder / str(systems) / "report.html"


def _curves(_folder: Path, run: CellRecord) -> RunCurves | None:
    """Return made-up curves of a run; the real ones are those of test_comparison_figures.py."""
    figures = run.figures
    assert figures is not None
    assert figures.ttft is not None
    assert figures.e2e is not None
    due_s = np.linspace(0, 60, 2400) if run.level.open else np.zeros(0)
    completed_s = np.linspace(0, 60, int(60 * figures.qps))
    return RunCurves(figures.ttft.p50 * 2 * SHARES, figures.e2e.p50 * 2 * SHARES, completed_s, due_s, 60.0)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> WrittenPages:
    folder = tmp_path_factory.mktemp("comparisons")
    one = SyntheticSweep(sweep_settings(1, aa=False))
    two = SyntheticSweep(sweep_settings(2, {"closed": [1, 8, 32]}), {"B": 1.1})
    levels = {"closed": [1, 2, 4, 8, 16, 32, 64], "poisson": [8, 16, 32, 48]}
    speeds = {"B": 1.1, "C": 0.98, "D": 0.7, "E": 2.0}
    many = SyntheticSweep(sweep_settings(5, levels, workloads=OBJECTIVES), speeds)
    many.checks = {"C": (failed_check("answers of another length", 0.12, "<= 1 %", REMEDY),)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_charts, "read_curves", _curves)
        for count, sweep in {1: one, 2: two, 5: many}.items():
            cells = sweep.cells()
            speed = compare_cells(sweep.settings, sweep.plan, cells)
            answers = {name: of for name, of in ANSWERS.items() if name in speed.systems}
            comparison = comparison_with_quality(speed, answers)
            write_comparison(folder / str(count), comparison, sweep.settings, cells)
    return WrittenPages(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started


@pytest.mark.parametrize("systems", [1, 2, 5])
@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_page_is_readable_and_without_errors(
    pages: WrittenPages, browser: Browser, systems: int, width: int, scheme: str
) -> None:
    browser.look(pages.of(systems), width=width, scheme=scheme)
    assert browser.complaints() == []
    assert {url.split(":")[0] for url in browser.requested()} <= {"file", "data"}
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    contrasts = browser.ask(CONTRASTS)
    assert len(contrasts) > 100
    assert [each for each in contrasts if each[0] < 4.5] == []
    assert browser.ask(COLLISIONS) == []


def test_light_and_dark_differ_in_the_figures_too(pages: WrittenPages, browser: Browser) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        browser.look(pages.of(5), width=390, scheme=scheme)
        grounds.append(browser.ask(FILLS))
    assert all(light != dark for light, dark in zip(*grounds, strict=True))
