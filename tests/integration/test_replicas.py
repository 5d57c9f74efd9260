"""Several servers at once: GPUs divided, started together, one dead is all dead; and pinned containers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_serving import SERVER, family_of, running_server, settings

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.core.errors import SetupError
from weighbridge.serving.probing import recognise

DIGEST = "sha256:" + "0" * 64


def test_two_replicas_share_the_visible_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    both = settings(replicas=2, tensor_parallel_size=2)
    with running_server(both, tmp_path, tmp_path / "server.log") as running:
        assert len(set(running.endpoints)) == 2
        assert running.devices == ("4,5", "6,7")
        assert "--tensor-parallel-size=2" in running.command
        assert running.prefix_caching == "off"
        assert running.trouble() is None
    assert [first_line(tmp_path / f"server-{number}.log") for number in (0, 1)] == [
        "CUDA_VISIBLE_DEVICES=4,5",
        "CUDA_VISIBLE_DEVICES=6,7",
    ]
    assert family_of(f"serve {tmp_path}") == []


def test_replicas_without_gpus_keep_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("weighbridge.system.gpus.pynvml.nvmlInit", no_driver)
    with running_server(settings(replicas=2), tmp_path, tmp_path / "server.log") as running:
        assert len(set(running.endpoints)) == 2
        assert running.devices == ()
    assert first_line(tmp_path / "server-1.log") == "CUDA_VISIBLE_DEVICES=None"


def first_line(log: Path) -> str:
    return log.read_text().splitlines()[0]


def no_driver() -> None:
    from weighbridge.system.gpus import pynvml

    raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)


def test_gpus_that_cannot_be_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    with (
        pytest.raises(SetupError, match=r"3 visible GPUs cannot be divided into 2 servers"),
        running_server(settings(replicas=2), tmp_path, tmp_path / "server.log"),
    ):
        pass


def test_one_replica_that_dies_while_starting_ends_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with (
        pytest.raises(SetupError, match=r"exit code 1 while starting.*server-1\.log:\n(.*\n)*.*such kernel"),
        running_server(settings("dies-on-gpu-1", replicas=2), tmp_path, tmp_path / "server.log"),
    ):
        pytest.fail("one of two was taken for all")
    assert family_of(f"serve {tmp_path}") == []


def test_a_replica_that_dies_later_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with running_server(settings(replicas=2), tmp_path, tmp_path / "server.log") as running:
        os.kill(running.processes[1].pid, signal.SIGKILL)
        while not running.processes[1].dead:
            time.sleep(0.01)
        assert running.trouble() == (
            f"the server was killed by signal 9 during the run; its log is {tmp_path / 'server-1.log'}"
        )


def test_endpoints_that_keep_prefixes_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(
            SetupError,
            match=r"has prefix-caching on, .*start it with --no-enable-prefix-caching",
        ),
        running_server(settings("keeps-prefixes"), tmp_path, tmp_path / "server.log"),
    ):
        pass
    plain = settings()
    with running_server(plain, tmp_path, tmp_path / "server.log") as running:
        assert recognise(running.endpoints[0])[1].features == {ServerFeature.PREFIX_CACHING: False}
        attached = settings(endpoints=running.endpoints)
        with running_server(attached, tmp_path, tmp_path / "none.log") as other:
            assert other.prefix_caching == "off"
            assert other.processes == ()


def test_a_container_runs_the_server_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands in for apptainer: drops the options and the image, and runs what follows on this machine.
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nwhile [ "${1#docker://}" = "$1" ]; do shift; done\nshift\nexec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    image = f"docker://vllm/vllm-openai@{DIGEST}"
    with running_server(settings(container=image), tmp_path, tmp_path / "server.log") as running:
        assert running.launcher == (str(program), "exec", "--bind", f"{tmp_path}:{tmp_path}:ro", image)
        assert running.command[0] == str(SERVER)


def test_srun_outside_of_a_job_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with (
        pytest.raises(SetupError, match="this is not a Slurm job"),
        running_server(settings(launcher="srun"), tmp_path, tmp_path / "server.log"),
    ):
        pass


def test_sigterm_during_a_warm_up_that_hangs_ends_at_once() -> None:
    # A listener that never answers: what a wedged server looks like.
    program = (
        "import socket, threading\n"
        "from weighbridge.core.openai_api import Api\n"
        "from weighbridge.serving.probing import warm_up\n"
        "from weighbridge.core.interruption import end_on_signals\n"
        "end_on_signals()\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    warm_up(f'http://127.0.0.1:{listener.getsockname()[1]}', Api.CHAT, [b'{}'], None, 600)\n"
        "finally:\n"
        "    print('left', flush=True)\n"
        "    listener.close()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        process.terminate()
        assert process.stdout.readline() == "left\n"
        # Not only is the block left: the process does not wait for the threads that still wait.
        assert process.wait(5) == 143
