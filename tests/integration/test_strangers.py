"""The server that answers is the started one: a stranger on its port is refused, whenever it comes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from driving import small_round, small_store
from test_issuer_seam import SAMPLES, OneByOne
from test_serving import SERVER, running_server, settings

from weighbridge.artifacts.proof import Proof
from weighbridge.client.issuer import Target
from weighbridge.client.sample_counts import Observe, Stop
from weighbridge.config.client_settings import ClientSettings
from weighbridge.core.errors import InvalidRunError, SetupError
from weighbridge.core.openai_api import Api
from weighbridge.records.run_record import RUN_RECORD, LoadReport, RunRecord
from weighbridge.run.execute import execute
from weighbridge.run.session import Setup
from weighbridge.serving.answering import PROVEN
from weighbridge.serving.listeners import listening_sockets, sockets_of
from weighbridge.serving.ports import free_ports


@contextmanager
def stranger(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run another server of the same model at a port, which it shares."""
    command = [sys.executable, str(SERVER), "serve", "model", "--served-model-name=tiny"]
    process = subprocess.Popen(
        [*command, "--host=127.0.0.1", f"--port={port}"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not listening_sockets("127.0.0.1", port) & (sockets_of(process.pid) or set()):
            assert process.poll() is None
            time.sleep(0.01)
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def test_one_that_answers_while_ours_starts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [port] = free_ports(1)
    # The port was free when it was checked: the stranger comes a moment later.
    monkeypatch.setattr("weighbridge.serving.launch.check_port", lambda _: None)
    with (
        stranger(port) as other,
        pytest.raises(
            SetupError,
            match=rf"\(process {other.pid}\) listens at http://127.0.0.1:{port} beside or instead .*\.port",
        ),
        running_server(settings("hangs", port=port), tmp_path, tmp_path / "server.log"),
    ):
        pytest.fail("a stranger was taken for our server")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    store = small_store(tmp_path / "store", SAMPLES, api=Api.COMPLETIONS)
    proof = Proof(kind="model", folder=tmp_path, repo=None, revision=None, manifest_digest="0" * 64, files=())
    server = settings(warmup_requests=1)
    return Setup(small_round(SAMPLES), server, ClientSettings(), proof, store)


def test_the_record_says_how_it_is_proven_in_the_same_words_each_time(setup: Setup, tmp_path: Path) -> None:
    for number in ("1", "2"):
        execute(setup, OneByOne(), tmp_path / number)
        assert RunRecord.read(tmp_path / number / RUN_RECORD).server.proven == PROVEN


class Joined(OneByOne):
    """An issuer during whose run a stranger joins."""

    def issue(self, target: Target, out: Path, observe: Observe, stop: Stop) -> LoadReport:
        report = super().issue(target, out, observe, stop)
        self.context = stranger(int(target.endpoints[0].rsplit(":", 1)[1]))
        self.context.__enter__()
        return report


def test_one_that_joins_during_the_run_makes_it_invalid(setup: Setup, tmp_path: Path) -> None:
    issuer, out = Joined(), tmp_path / "run"
    try:
        with pytest.raises(
            InvalidRunError, match=r"\(process \d+\) listens at http://127.0.0.1:\d+ beside or"
        ):
            execute(setup, issuer, out)
    finally:
        issuer.context.__exit__(None, None, None)
    assert RunRecord.read(out / "aborted" / RUN_RECORD).load.aborted is not None


def test_servers_of_the_user_are_not_proven(setup: Setup, tmp_path: Path) -> None:
    with running_server(settings(), tmp_path, tmp_path / "server.log") as running:
        assert running.proven == PROVEN
        attached = replace(setup, server=settings(endpoints=running.endpoints, warmup_requests=1))
        execute(attached, OneByOne(), tmp_path / "run")
    assert json.loads((tmp_path / "run" / RUN_RECORD).read_text())["server"]["proven"] is None


def test_what_cannot_be_seen_is_not_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("weighbridge.serving.listeners.listening_sockets", lambda *_: set())
    with running_server(settings(), tmp_path, tmp_path / "server.log") as running:
        assert running.proven is None
        assert running.stranger() is None
    assert "it cannot be proven that the started server answers: nothing is seen to listen" in caplog.text
