"""What a probe before a run refuses: only rates that cannot pass, on computed queues too."""

import math
from pathlib import Path

import numpy as np
import pytest
from run_tables import load_report

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.server_settings import ServerSettings
from weighbridge.loadgen.work_size import server_schedule_s
from weighbridge.run.server_use import SessionUse
from weighbridge.search.probe_judgement import FullRun, sure_miss
from weighbridge.search.probe_length import probe_length_s
from weighbridge.simulate.behaviour import predict

V6 = load_round("v6.0")
SERVER = V6.scenarios["server"]
SEED = V6.loadgen_rules.seeds.schedule
QUERIES, LIMIT_S, ALLOWED = 48289, 12.0, 432
FULL = {"latency": FullRun(QUERIES, 600.0, LIMIT_S, 0.99)}


def test_a_rate_is_refused_where_far_more_queries_are_late_than_may_be() -> None:
    issued_s = np.linspace(0, 60, 1000)
    latency_s = np.full(1000, 6.0)
    # 750 are judged after 15 s; of as many a full run may have 6 late: refused from 5 * 6 + 5 + 1 on.
    latency_s[-35:] = 13.0
    assert sure_miss(issued_s, {"latency": latency_s}, 15.0, FULL) is None
    latency_s[-36:] = 13.0
    assert sure_miss(issued_s, {"latency": latency_s}, 15.0, FULL) == (
        "latency: 36 of 750 queries took longer than 12 s, where a full run may have 6 of as many"
    )
    # The ramp is not judged.
    assert sure_miss(issued_s, {"latency": np.where(issued_s < 15, 20.0, 6.0)}, 15.0, FULL) is None


def test_each_limit_counts() -> None:
    issued_s = np.linspace(0, 60, 1000)
    fulls = FULL | {"ttft": FullRun(QUERIES, 600.0, 2.0, 0.99)}
    measured_s = {"latency": np.full(1000, 6.0), "ttft": np.full(1000, 3.0)}
    missed = sure_miss(issued_s, measured_s, 15.0, fulls)
    assert missed is not None
    assert missed.startswith("ttft: 750 of 750 queries took longer than 2 s")


@pytest.mark.parametrize(
    ("mode", "target_qps", "probe_s", "expected"),
    [
        (Mode.PERFORMANCE, 11, 60, 60),  # 73 minutes
        (Mode.PERFORMANCE, 68, 60, 0),  # 707 s, of which 35 s would be a twentieth
        (Mode.PERFORMANCE, 68, 35, 35),
        (Mode.PERFORMANCE, 11, 0, 0),
        (Mode.ACCURACY, 11, 60, 0),  # latency does not count
    ],
)
def test_a_probe_is_short_against_its_run(
    mode: Mode, target_qps: float, probe_s: float, expected: float
) -> None:
    assert probe_length_s(V6, SERVER, mode, target_qps, probe_s) == expected


def test_there_is_no_probe_without_a_rate() -> None:
    assert probe_length_s(V6, V6.scenarios["offline"], Mode.PERFORMANCE, 1, 60) == 0


@pytest.mark.parametrize("forbidden", [(), *((feature,) for feature in ServerFeature)])
def test_where_work_may_be_reused_there_is_no_probe_and_no_kept_server(
    tmp_path: Path, forbidden: tuple[ServerFeature, ...]
) -> None:
    reusing = V6.model_copy(update={"server_must_not": forbidden})
    assert probe_length_s(reusing, SERVER, Mode.PERFORMANCE, 11, 60) == 0
    use = SessionUse(tmp_path, "server performance", tmp_path / "performance" / "run.json")
    settings = ServerSettings(model_name="a", keep_s=7)
    kept_s = [use.keeping(round_, settings, "0" * 64).keep_s for round_ in (V6, reusing)]
    assert kept_s == [7, 0]


@pytest.mark.parametrize(
    ("failed", "worth"), [({"aborted": 2}, True), ({"http_status": 1, "aborted": 2}, False)]
)
def test_a_server_that_failed_requests_is_not_waited_for(
    failed: dict[str, int], worth: bool, tmp_path: Path
) -> None:
    use = SessionUse(tmp_path, "server performance", tmp_path / "performance" / "run.json")
    use.begin()
    use.end("server performance", load_report(failed=failed, aborted="it cannot pass any more"))
    assert use.worth_settling is worth


@pytest.mark.parametrize(("servers", "mean_s", "sigma"), [(160, 2.01, 0.5), (40, 4.0, 0.4), (320, 6.0, 0.2)])
def test_no_rate_that_passes_is_refused_and_each_far_above_is(
    servers: int, mean_s: float, sigma: float
) -> None:
    generator = np.random.default_rng(1)
    service_s = mean_s * np.exp(sigma * generator.standard_normal(QUERIES) - sigma**2 / 2)
    due_s = server_schedule_s(QUERIES, 1.0, SEED)

    def passes(rate: float) -> bool:
        return int((predict(due_s / rate, service_s, servers) > LIMIT_S).sum()) <= ALLOWED

    def refused(rate: float) -> bool:
        count = round(60 * rate)
        issued_s = server_schedule_s(count, 1.0, SEED)
        issued_s *= count / issued_s[-1] / rate
        latency_s = predict(issued_s, generator.choice(service_s, count), servers)
        return sure_miss(issued_s, {"latency": latency_s}, 15.0, FULL) is not None

    low, high = 0.5 * servers / mean_s, 1.5 * servers / mean_s
    assert passes(low)
    while high > 1.01 * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if passes(middle) else (low, middle)
    assert not any(refused(low) for _ in range(50))
    assert all(refused(1.5 * low) for _ in range(10))
