"""Runs of the real official client by `weighbridge run`, against a simulated server."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from official_run import SAMPLES, OfficialRun, files_with_key, nothing_left, processes_in

from weighbridge.artifacts.proof import Proof
from weighbridge.endpoints.accuracy_run import write_accuracy_run
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.endpoints.replayed_phase import ReplayedPhase
from weighbridge.endpoints.schedule import sample_order
from weighbridge.endpoints.shared_memory import shared_entries
from weighbridge.records.store_manifest import StoreOrigin
from weighbridge.requests.store import write_store


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "weighbridge", "simulate", "--model-name", "tiny"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix, suffix = '{"model":"tiny","messages":', ',"max_tokens":9}'
    message = b'[{"role":"user","content":"sample"}]'
    bodies = [b"".join((prefix.encode(), message, suffix.encode()))] * SAMPLES
    streamed = (prefix, suffix[:-1] + ',"stream":true,"stream_options":{"include_usage":true}}')
    origin = StoreOrigin(benchmark="b", model_name="tiny", prefix=prefix, suffix=suffix, streamed=streamed)
    folder = tmp_path_factory.mktemp("store") / "store"
    write_store(folder, bodies, lambda: origin)
    return folder


@pytest.fixture
def official_client(client_proof: Proof) -> tuple[Path, str]:
    assert client_proof.revision is not None
    return client_proof.folder, client_proof.revision


def has_left_nothing(run: OfficialRun, shared: set[str]) -> bool:
    ended = nothing_left(run.scratch, shared)
    assert list(run.scratch.iterdir()) == []
    return ended


@pytest.mark.parametrize("scenario", ["interactive", "offline"])
def test_the_client_is_driven_to_its_end(
    scenario: str,
    official_client: tuple[Path, str],
    client_python: Path,
    url: str,
    store: Path,
    tmp_path: Path,
) -> None:
    run = OfficialRun(tmp_path, url, store, scenario=scenario, checkout=official_client, python=client_python)
    done = run()
    assert done.returncode == 0, done.stderr
    load, client, results = run.record.load, run.record.client, ClientResults.read(run.out)
    assert (load.aborted, load.failed, load.issued, load.completed) == (None, {}, 3 * SAMPLES, 3 * SAMPLES)
    assert load.client is not None
    assert set(load.client.busy) == {"issuing", "worker 0"}
    assert load.client.answered_by_worker == (3 * SAMPLES,)
    assert results.summary is not None
    assert client is not None
    assert results.summary.git_sha == client.commit[:7]
    assert (client.modified, client.exit_code) == (False, 0)
    accuracy = write_accuracy_run(run.out, tmp_path / "accuracy").load
    assert (accuracy.issued, accuracy.completed, accuracy.failed) == (SAMPLES, SAMPLES, {})
    replayed = ReplayedPhase.of(run.out)
    assert results.config is not None
    seed = results.config.settings.runtime.dataloader_random_seed
    assert seed is not None
    assert (replayed.phase.sample == sample_order(SAMPLES, 3 * SAMPLES, seed)).all()
    assert replayed.streamed == (replayed.target_qps is not None) == (scenario == "interactive")
    assert has_left_nothing(run, set())
    assert files_with_key(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_of_a_run_that_is_ended(
    number: signal.Signals,
    official_client: tuple[Path, str],
    client_python: Path,
    url: str,
    store: Path,
    tmp_path: Path,
) -> None:
    run = OfficialRun(tmp_path, url, store, qps=2, checkout=official_client, python=client_python)
    process = run.start()
    run.until_issuing(process)
    time.sleep(2)
    shared = shared_entries(processes_in(run.scratch))
    assert len(shared) > 2  # its log, its sockets, its semaphores
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert has_left_nothing(run, shared), said
    if number is not signal.SIGKILL:
        assert process.returncode == 128 + number
        assert run.record.load.aborted == f"interrupted by {number.name}"
