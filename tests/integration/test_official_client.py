"""Runs of the stand-in for the official client: what is recorded of them, and that nothing is left."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from driving import small_store
from official_run import SAMPLES, OfficialRun, files_with_key, nothing_left, processes_in
from simulating import any_length
from stand_in import PRESET

from weighbridge.client.sample_counts import DrivenPhase, SampleCounts
from weighbridge.config.scenario_rules import Mode
from weighbridge.endpoints import client_process, client_signs
from weighbridge.endpoints.client_process import ISSUING, ClientProcess
from weighbridge.endpoints.shared_memory import shared_entries
from weighbridge.records.official_client import CLIENT_FILES, CLIENT_FOLDER
from weighbridge.records.progress_record import PROGRESS_FILE, Phase, State
from weighbridge.records.run_record import REQUESTS_BINARY

OLD_FILE = "src/inference_endpoint/figures.py"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_store(tmp_path_factory.mktemp("store") / "store", SAMPLES, stream=True)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with any_length(model_name="tiny") as url:
        yield url


def test_a_run_is_recorded_with_its_client_and_leaves_nothing(tmp_path: Path, url: str, store: Path) -> None:
    run = OfficialRun(tmp_path, url, store, leaves_process=True, touches=OLD_FILE)
    done = run()
    assert done.returncode == 0, done.stderr
    record = run.record
    assert (record.mode, record.load.issued, record.load.completed) == (
        Mode.PERFORMANCE,
        3 * SAMPLES,
        3 * SAMPLES,
    )
    assert record.load.schedule_delay.max_s > 0
    assert record.load.client is not None
    assert list(record.load.client.busy) == [ISSUING]
    assert record.load.client.answered_by_worker == (3 * SAMPLES,)
    assert pq.read_table(run.out / "requests.parquet").num_rows == 3 * SAMPLES
    assert record.client is not None
    assert (record.client.commit, record.client.exit_code) == (run.commit, 0)
    assert (record.client.dataset_name, record.client.dataset_rows) == (PRESET, SAMPLES)
    # What the fault did: a file of the checkout was changed during the run, and a process left behind.
    assert record.client.modified
    assert [OLD_FILE in record.load.warnings[1], "left 1 process running" in record.load.warnings[0]] == [
        True,
        True,
    ]
    assert {(CLIENT_FOLDER / path).as_posix() for path in CLIENT_FILES} < set(record.logs)
    assert not (run.out / REQUESTS_BINARY).exists()
    shown = State.read(run.out / PROGRESS_FILE)
    assert shown.figures is not None
    assert (shown.phase, shown.figures.expected) == (Phase.DONE, 3 * SAMPLES)
    assert nothing_left(run.scratch, [])
    assert list(run.scratch.iterdir()) == []
    assert files_with_key(tmp_path) == []


def test_what_the_client_says_last_is_told_without_the_key(tmp_path: Path, url: str, store: Path) -> None:
    run = OfficialRun(tmp_path, url, store, exit_at_setup=2)
    done = run()
    assert done.returncode == 4, done.stderr
    assert "ended with exit code 2" in done.stderr
    assert "401 for key ***" in (run.record.load.aborted or "")
    assert files_with_key(run.out) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_ends_early_takes_its_client_with_it(
    number: signal.Signals, tmp_path: Path, url: str, store: Path
) -> None:
    run = OfficialRun(tmp_path, url, store, qps=4)
    process = run.start()
    run.until_issuing(process)
    time.sleep(1)
    shared = sorted(shared_entries(processes_in(run.scratch)))
    assert shared != []
    os.kill(process.pid, number)
    said = process.communicate(timeout=60)[1]
    assert nothing_left(run.scratch, shared), said
    assert list(run.scratch.iterdir()) == []
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert run.record.load.aborted == "interrupted by SIGINT"
        assert (run.out / "aborted" / CLIENT_FOLDER / "events.jsonl").is_file()
        assert not (run.out / CLIENT_FOLDER).exists()


def _killed(client: ClientProcess) -> ClientProcess:
    client.run()
    assert client.exit_code == -signal.SIGKILL
    return client


def _stopped(client: ClientProcess) -> ClientProcess:
    client.run(stop=lambda: "the server is gone" if client.shared else None)
    assert client.exit_code == 0
    return client


def _orphaned(client: ClientProcess) -> ClientProcess:
    def kill_the_supervisor(counts: SampleCounts) -> None:
        if counts.phase is DrivenPhase.PERFORMANCE:
            os.kill(client.supervisor, signal.SIGKILL)

    client.run(kill_the_supervisor)
    assert client.exit_code is None
    return client


def _filled(client: ClientProcess) -> ClientProcess:
    with pytest.MonkeyPatch.context() as patch:

        def fill(counts: SampleCounts) -> None:
            if counts.issued:
                patch.setattr(client_signs, "_LEAST_FREE_BYTES", 1 << 62)

        client.run(fill)
    return client


_ENDS: dict[str, tuple[Callable[[ClientProcess], ClientProcess], dict[str, Any], str]] = {
    "killed client": (
        _killed,
        {"exit_after": 40, "exit_code": -9},
        "the official client was killed by SIGKILL",
    ),
    "stall of a client that is deaf": (
        _killed,  # nothing else reaches it
        {"stall_after": 10, "deaf": True},
        r"no answer to any of \d+ open requests for \d s",
    ),
    "dead server": (_stopped, {}, "the server is gone"),
    "killed supervisor": (_orphaned, {}, "the supervisor of the official client was killed"),
    "full memory": (_filled, {}, "/dev/shm is full, where the official client keeps its log"),
}


@pytest.mark.parametrize("end", _ENDS)
def test_a_client_that_does_not_come_to_its_end_is_ended_whole(
    end: str, tmp_path: Path, url: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_process, "_GRACE_S", 1.0)
    monkeypatch.setattr(client_process, "HASTE_S", 0.5)
    drive, faults, reason = _ENDS[end]
    # On a busy machine a client that starts may wait for seconds, which is no stall.
    stall_limit_s = 2 if "stall_after" in faults else 60
    run = OfficialRun(tmp_path, url, store, qps=40, **faults)
    client = drive(run.client_alone(stall_limit_s=stall_limit_s))
    assert client.aborted is not None
    assert re.match(reason, client.aborted)
    assert client.shared != []
    assert nothing_left(tmp_path, client.shared)
    assert (tmp_path / "report" / "events.jsonl").stat().st_size > 0
