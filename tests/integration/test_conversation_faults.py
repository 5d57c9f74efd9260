"""What breaks in the middle of a run of conversations ends it with the reason, and no process is left."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conversing import run, simple, single_turns
from endpoint import End, Endpoint, answer, http
from test_load_faults import client_processes, failing_at, once, process_of

from weighbridge.client import liveness
from weighbridge.client.process_group import ProcessGroup
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.load_level import LoadLevel
from weighbridge.core.errors import SetupError

EARLY_S = 30  # in which a run that would take minutes is ended; its limit is seconds where the cores are free


def test_twenty_failures_in_a_row_end_the_run(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 500), single_turns((0, 500, 0))
    with Endpoint(lambda _: [http(b'{"error": "out of memory"}', 500)]) as endpoint:
        report, rows = run(
            requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=2), error_abort=1.0
        )
    assert report.aborted == ('20 requests in a row failed, 20 as http_status: {"error": "out of memory"}')
    assert 20 <= report.failed["http_status"] <= 21  # two may end at once
    assert len(rows) == report.issued == report.failures <= 24


def test_too_many_failures_of_the_first_hundred_end_the_run(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 500), single_turns((0, 500, 0))
    with Endpoint(lambda sample: [http(b"no", 429)] if sample % 10 == 3 else answer("x")) as endpoint:
        report, _ = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=1))
    assert report.aborted == "6 of the first 54 requests failed, 6 as http_status: no"


def test_fewer_failures_do_not(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 200), single_turns((0, 200, 0))
    with Endpoint(lambda sample: [http(b"no", 429)] if sample % 20 == 3 else answer("x")) as endpoint:
        report, _ = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=2))
    assert (report.aborted, report.failed, report.completed) == (None, {"http_status": 10}, 190)


def _kill_worker() -> None:
    process_of("client.worker").kill()


def _kill_issuer() -> None:
    process_of("client.issuing_process").kill()


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


ENDS = [
    (_kill_worker, "worker 0 was killed by SIGKILL"),
    (_kill_issuer, "the issuer's process was killed by SIGKILL"),
    (_interrupt, "interrupted"),
    ("die", "cannot be reached|requests in a row failed|of the first"),
]


@pytest.mark.parametrize("level", [LoadLevel(closed=4), LoadLevel(constant=50)], ids=["closed", "open"])
@pytest.mark.parametrize(("end", "reason"), ENDS, ids=["worker", "issuer", "Ctrl-C", "server"])
def test_a_run_that_is_broken_ends_with_a_reason(
    end: Callable[[], None] | str, reason: str, level: LoadLevel, tmp_path: Path
) -> None:
    requests, turns = simple(tmp_path / "store", 6000), single_turns((0, 6000, 0), rate=50)
    with Endpoint(lambda _: [0.1, *answer("x")]) as endpoint:
        act = endpoint.die if end == "die" else end
        assert callable(act)
        began_s = time.monotonic()
        with failing_at(signal.SIGINT), once(lambda: len(endpoint.seen) > 20, act):
            report, rows = run(
                requests, endpoint.url, tmp_path / "run", turns, level, workers=1, connect_timeout_s=2
            )
        assert time.monotonic() - began_s < EARLY_S
    assert re.search(reason, str(report.aborted)), report.aborted
    if end != _kill_issuer:
        assert report.failed.get("aborted", 0) + report.completed <= len(rows)
        assert len(rows) == report.issued
        assert not (tmp_path / "run" / "requests.bin").exists()


@pytest.mark.parametrize("module", ["client.worker", "client.issuing_process"])
def test_a_stopped_process_is_told_and_ends_the_run(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "ENDED_AFTER_S", 1.0)
    requests, turns = simple(tmp_path / "store", 6000), single_turns((0, 6000, 0))
    with (
        Endpoint(lambda _: [0.1, *answer("x")]) as endpoint,
        once(lambda: len(endpoint.seen) > 20, lambda: process_of(module).suspend()),
    ):
        report, _ = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=4), workers=1)
    who = "worker 0" if module == "client.worker" else "the issuer's process"
    assert re.match(rf"{who} \(process \d+\) has been stopped by a signal", str(report.aborted))


def test_a_server_that_no_longer_answers_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "TOLD_AFTER_S", 1.0)
    requests, turns = simple(tmp_path / "store", 100), single_turns((0, 100, 0))
    seen: list[SampleCounts] = []
    with Endpoint(lambda sample: answer("x") if sample < 50 else [End.HANG]) as endpoint:
        report, rows = run(
            requests,
            endpoint.url,
            tmp_path / "run",
            turns,
            LoadLevel(closed=4),
            seen.append,
            stall_limit_s=4,
        )
    assert re.fullmatch(r"no answer to any of 4 open requests for \d s", str(report.aborted))
    assert (report.failed, report.completed, len(rows)) == ({"aborted": 4}, 50, 54)
    assert any(counts.trouble for counts in seen)


def test_a_disk_that_is_full_is_the_reason(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 6000), single_turns((0, 6000, 0))

    def limit() -> None:
        resource.prlimit(process_of("client.issuing_process").pid, resource.RLIMIT_FSIZE, (4_000, -1))

    with (
        Endpoint(lambda _: [0.02, *answer("x")]) as endpoint,
        once(lambda: len(endpoint.seen) > 10, limit),
        pytest.raises(SetupError, match="has reached the largest size that is allowed"),
    ):
        run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=4))
    assert not client_processes()


@pytest.mark.parametrize("stopped", [None, "client.issuing_process"])
def test_a_parent_that_is_killed_leaves_no_process(stopped: str | None, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from conversing import *; import sys\n"
        "folder = Path(sys.argv[2])\n"
        "requests, turns = simple(folder / 's', 9), single_turns((0, 9, 0))\n"
        "run(requests, sys.argv[1], folder / 'o', turns, LoadLevel(closed=6))"
    )
    with Endpoint(lambda _: [End.HANG]) as endpoint:
        parent = subprocess.Popen(
            [sys.executable, "-c", code, endpoint.url, str(tmp_path)],
            cwd=Path(__file__).parent,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        deadline = time.monotonic() + 20
        while len(endpoint.seen) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        processes = client_processes()
        assert len(processes) == 3
        if stopped is not None:
            process_of(stopped).suspend()
        parent.kill()
        parent.wait()
        _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


def test_an_interruption_before_the_run_began_is_no_failure_of_the_machine(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 60), single_turns((0, 60, 0))

    def started() -> bool:
        return any("weighbridge.client.issuing_process" in each.cmdline() for each in client_processes())

    with (
        failing_at(signal.SIGINT),
        Endpoint(lambda _: [0.1, *answer("x")]) as endpoint,
        once(started, _interrupt),
    ):
        report, rows = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=2))
    assert "interrupted" in str(report.aborted)
    assert len(rows) < 60


@pytest.mark.parametrize("step", ["_spawn", "_start", "_watch", "_end"])
def test_a_signal_is_obeyed_from_the_first_process_to_the_last(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests, turns = simple(tmp_path / "store", 6), single_turns((0, 6, 0))
    take = getattr(ProcessGroup, step)

    def interrupted(group: ProcessGroup, *given: object) -> None:
        if step != "_spawn" or given[0] == "worker 1":
            _interrupt()
        take(group, *given)

    monkeypatch.setattr(ProcessGroup, step, interrupted)
    with failing_at(signal.SIGINT), Endpoint(lambda _: answer("x")) as endpoint:
        report, _ = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=2))
    assert report.aborted == "interrupted by SIGINT"
