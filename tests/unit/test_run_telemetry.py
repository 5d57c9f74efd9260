"""What telemetry says of a run: cache counters over it all, energy over its window."""

from pathlib import Path

import pytest
from run_tables import MEASURED, Sent, load_report, table_of, turns_of

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.records.telemetry_record import Metric
from weighbridge.sweep.cell_figures import figures_of
from weighbridge.sweep.cell_window import Window
from weighbridge.sweep.run_telemetry import RunTelemetry
from weighbridge.system.telemetry.samples import MetricReading, Samples, join

_S = 1_000_000_000


def telemetry(*rows: tuple[float, str, Metric, float]) -> RunTelemetry:
    samples = Samples()
    for at_s, source, metric, value in rows:
        samples.add(round(at_s * _S), [MetricReading(source, metric, value)])
    return RunTelemetry.of(join([samples]))


def test_energy_is_that_of_the_window_over_all_accelerators() -> None:
    rising = [(float(at), "gpu 0", Metric.POWER_W, 100.0 + 10 * at) for at in range(11)]
    constant = [(float(at), "gpu 1", Metric.POWER_W, 50.0) for at in range(11)]
    found = telemetry(*rising, *constant)
    # 100 + 10 t from 2.5 to 4.5 s has a mean of 135 W.
    assert found.energy_j(Window(round(2.5 * _S), round(4.5 * _S))) == pytest.approx(2 * 135 + 2 * 50)


def test_energy_that_was_not_recorded_over_the_window_is_not_known() -> None:
    assert telemetry().energy_j(Window(0, _S)) is None
    early = telemetry((0.0, "gpu 0", Metric.POWER_W, 100.0), (1.0, "gpu 0", Metric.POWER_W, 100.0))
    assert early.energy_j(Window(2 * _S, 4 * _S)) is None


def test_counters_are_those_of_all_servers_and_of_caches_outside() -> None:
    counters = [
        (at, f"server {server}", metric, value + at)
        for at in (0.0, 100.0)
        for server in (0, 1)
        for metric, value in (
            (Metric.PREFIX_CACHE_QUERIES, 1000.0),
            (Metric.PREFIX_CACHE_HITS, 500.0),
            (Metric.EXTERNAL_PREFIX_CACHE_HITS, 0.0),
        )
    ]
    found = telemetry(*counters)
    assert (found.queried, found.hit) == (200, 400)
    assert (telemetry().queried, telemetry().hit) == (None, None)


def test_a_run_without_telemetry_knows_nothing(tmp_path: Path) -> None:
    assert RunTelemetry.read(tmp_path / "telemetry.parquet") == RunTelemetry()


def test_figures_take_what_telemetry_knows() -> None:
    turns = turns_of([MEASURED, MEASURED])
    sent = [Sent(0, 0.0, 1.0), Sent(1, 1.0, 2.0)]
    known = RunTelemetry(queried=200, hit=150)
    figures = figures_of(
        table_of(sent, turns),
        turns,
        LoadLevel(closed=1),
        Workload(name="chat"),
        load_report(),
        telemetry=known,
    )
    assert figures is not None
    assert figures.reuse.share == pytest.approx(0.75)
    assert figures.energy_j is None
