"""Whether a run counts as steady or overloaded, and how often noise alone is taken for it."""

import numpy as np
import pytest
from run_tables import COOLDOWN, MEASURED, WARMUP, Sent, queued, table_of, turns_of

from weighbridge.config.load_level import LoadLevel
from weighbridge.sweep.cell_window import window_of
from weighbridge.sweep.run_rows import RunRows
from weighbridge.sweep.steadiness import LinearFit, Steadiness, is_overloaded

OPEN = LoadLevel(poisson=64.0)
_CAPACITY = 80.0  # 8 servers of 0.1 s


def test_a_fit_has_the_published_slope_and_p_value() -> None:
    # R: summary(lm(c(2, 4, 5, 4, 5) ~ c(1, 2, 3, 4, 5))): slope 0.6, t 2.121, p 0.124.
    fit = LinearFit.of(np.array([2.0, 4.0, 5.0, 4.0, 5.0]))
    assert fit.change == pytest.approx(0.6 * 4)
    assert fit.p == pytest.approx(0.1240, abs=1e-4)
    assert LinearFit.of(np.array([3.0, 3.0, 3.0])).p == 1.0
    assert LinearFit.of(np.array([1.0, 2.0, 3.0])).p == 0.0


@pytest.mark.parametrize(
    ("tenths", "steady"),
    [
        ([100.0] * 10, True),
        ([100.0 + place for place in range(10)], False),  # 9 % more at the end
        ([100.0 + 0.4 * place for place in range(10)], True),  # 3.5 % more
        ([100.0, 93, 108, 97, 104, 92, 107, 101, 95, 103], True),  # scatter, whatever its slope
        ([100.0, 106, 110, 109, 103, 97, 91, 90, 94, 100], False),  # one wave
        ([100.0, 100.3, 100.6, 100.8, 100.9, 100.9, 100.8, 100.6, 100.3, 100], True),  # too small to matter
        ([1.0, 1, 2, 2, 2, 2, 3, 3, 3, 4], True),  # too few requests
        ([0.0] * 10, True),
    ],
)
def test_tenths_with_a_trend_or_a_wave_are_not_steady(tenths: list[float], steady: bool) -> None:
    assert Steadiness.of_tenths(np.array(tenths)).steady is steady


def test_trend_and_correlation_are_those_of_the_tenths() -> None:
    found = Steadiness.of_tenths(np.array([100.0 + place for place in range(10)]))
    assert found.trend == pytest.approx(9 / 104.5)
    assert found.lag1 == pytest.approx(1.0)
    back_and_forth = Steadiness.of_tenths(np.array([100.0, 110.0] * 5))
    assert back_and_forth.lag1 == pytest.approx(-1.0)


def _open_run(seed: int, load: float, count: int, drift: float = 0.0) -> RunRows:
    """Return an open run at a share of the capacity; services grow by `drift` from first to last."""
    random = np.random.default_rng(seed)
    total = 100 + count + 50
    service = random.exponential(0.1, total) * np.linspace(1, 1 + drift, total)
    due_s = np.cumsum(random.exponential(1 / (load * _CAPACITY), total))
    spans = queued(due_s, service, 8)
    turns = turns_of([WARMUP] * 100 + [MEASURED] * count + [COOLDOWN] * 50, due_s=due_s)
    return RunRows.of(
        table_of([Sent(place, start, end) for place, (start, end) in enumerate(spans)], turns), turns
    )


def _overloaded(rows: RunRows, level: LoadLevel = OPEN) -> bool:
    window = window_of(rows, level)
    assert window is not None
    return is_overloaded(rows, window)


def test_noise_alone_is_seldom_a_warning() -> None:
    found = []
    for seed in range(60):
        rows = _open_run(seed, 0.8, 400)
        window = window_of(rows, OPEN)
        assert window is not None
        found.append(Steadiness.of(rows, window))
    # The limits alone would warn of most of them.
    assert sum(abs(each.trend) > 0.05 for each in found) > 30
    assert sum(not each.steady for each in found) <= 4


def test_an_open_load_above_the_capacity_is_overloaded() -> None:
    assert all(_overloaded(_open_run(seed, 1.2, 1500)) for seed in range(15))


def test_an_open_load_at_four_fifths_of_the_capacity_is_not_overloaded() -> None:
    assert sum(_overloaded(_open_run(seed, 0.8, 1500)) for seed in range(30)) <= 3


def test_a_long_queue_that_does_not_grow_is_not_overloaded() -> None:
    # A closed loop of 64 at 8 servers waits long, and waits alike.
    service = np.random.default_rng(3).exponential(0.1, 800)
    turns = turns_of([WARMUP] * 100 + [MEASURED] * 600 + [COOLDOWN] * 100)
    sent = [Sent(place, *span) for place, span in enumerate(queued(64, service, 8))]
    assert not _overloaded(RunRows.of(table_of(sent, turns), turns), LoadLevel(closed=64))
