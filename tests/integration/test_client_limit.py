"""A run whose client was starved is INVALID by the checks that name it; the same run with its time is not."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from driving import Run, beside, run_against, small_round
from endpoint import Endpoint, Step, answer

from weighbridge.config.scenario_rules import LatencyLimit, Mode
from weighbridge.gates.client_checks import client_checks
from weighbridge.gates.request_rows import RequestRows
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.verdict import outcome_of

SAMPLES = 250
LIMIT_S = 24.0  # of latency; of it a demonstration may wait 1.2 s, which a busy machine stays below
STOPPED_S, RUNNING_S = 2.5, 0.2  # of each turn


def script(_sample: int) -> Sequence[Step]:
    return [0.3, *answer("x")]


@contextlib.contextmanager
def starved() -> Iterator[None]:
    """Stop this process's worker most of the time, from its first second on."""

    def stop_and_go(over: threading.Event) -> None:
        while not over.wait(RUNNING_S):
            for process in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if "weighbridge.client.worker" in process.cmdline():
                        process.send_signal(signal.SIGSTOP)
                        over.wait(STOPPED_S)
                        process.send_signal(signal.SIGCONT)

    with beside(stop_and_go):
        yield


def found(run: Run, scenario: str) -> tuple[str, set[str]]:
    """Return the outcome of the client's checks, and the names of those that failed."""
    assert run.report.aborted is None
    round_ = small_round(SAMPLES)
    rules = round_.scenarios[scenario]
    if rules.limits.latency is not None:
        limits = rules.limits.model_copy(update={"latency": LatencyLimit(limit_s=LIMIT_S)})
        rules = rules.model_copy(update={"limits": limits})
    checks = client_checks(
        read_detail(run.out / "mlperf_log_detail.txt"),
        run.report,
        RequestRows.read(run.out),
        round_,
        rules,
    )
    return outcome_of(checks), {check.name for check in checks if check.passed is False}


def measure(folder: Path, scenario: str) -> Run:
    with Endpoint(script) as endpoint:
        return run_against(
            [endpoint], folder, SAMPLES, scenario=scenario, mode=Mode.PERFORMANCE, target_qps=100, workers=1
        )


def test_a_run_whose_client_has_its_time_passes_and_records_it(tmp_path: Path) -> None:
    run = measure(tmp_path, "server")
    assert found(run, "server") == ("VALID", set())
    client = run.report.client
    assert client is not None
    assert client.receive_backlog is not None
    assert client.wake_delay is not None
    assert client.answered_by_worker == (SAMPLES,)
    assert set(client.busy) == {"loadgen", "worker 0"}
    assert client.receive_backlog.samples >= SAMPLES // 17
    assert client.wake_delay.samples > 50  # of 2.5 s


@pytest.mark.parametrize("scenario", ["server", "offline"])
def test_a_starved_client_is_named(tmp_path: Path, scenario: str) -> None:
    with starved():
        run = measure(tmp_path, scenario)
    outcome, failed = found(run, scenario)
    assert outcome == "INVALID"
    assert (
        failed
        >= {
            "server": {"schedule delay (p99)", "receive backlog (p99)", "workers' delay at a timer (p99)"},
            "offline": {"receive backlog (mean)", "workers' delay at a timer (mean)"},
        }[scenario]
    )
    client = run.report.client
    assert client is not None
    assert client.receive_backlog is not None
    assert client.wake_delay is not None
    # As the kernel saw it: a packet waited for the worker, which did not know that it was stopped.
    assert STOPPED_S / 2 < client.receive_backlog.max_s < 2 * STOPPED_S + 5
    assert STOPPED_S * 0.9 < client.wake_delay.max_s < 2 * STOPPED_S + 5
