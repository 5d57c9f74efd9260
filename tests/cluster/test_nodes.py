"""`server.launcher: srun`: servers on all nodes of an allocation, from within a job."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from own_slurm import GPUS_PER_NODE, NODES, Slurm

from weighbridge.core.proc import below, command_of
from weighbridge.serving import guard
from weighbridge.serving.answering import PROVEN_ON_NODES

SERVER = Path(__file__).parents[1] / "integration" / "model_server.py"
# What a job does: starts the servers, says what answers, and stops them.
JOB = """
import json, sys, time
from pathlib import Path
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.serving.running_server import running_server
folder = Path(sys.argv[1])
settings = ServerSettings.parse_json(sys.argv[2], "test")
off = tuple(ServerFeature)
with running_server(settings, folder, folder / "server.log", forbidden=off) as running:
    # A server that is only a part of another answers nobody, and may be a moment behind.
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not all(
        "node " in server.launch.log.read_text() for server in running.processes
    ):
        time.sleep(0.1)
    (folder / "endpoints.json").write_text(json.dumps(running.endpoints))
    while "stranger" in sys.argv and not (folder / "stranger").exists():
        time.sleep(0.1)
    print(json.dumps({"endpoints": running.endpoints, "trouble": running.trouble(),
                      "proven": running.proven, "stranger": running.stranger(),
                      "commands": [server.launch.command for server in running.processes]}))
"""

SETTINGS = {"executable": str(SERVER), "model_name": "tiny", "launcher": "srun", "startup_timeout_s": 30}


def run_in_job(
    folder: Path, *words: str, meanwhile: Callable[[], None] | None = None, **values: object
) -> dict[str, Any]:
    """Run the job, with further words, and return what it says; `meanwhile` is called while it lasts."""
    allocate = ["salloc", "--quiet", "--partition=gpu", "--nodes=2", "--gres=gpu:8"]
    # As Snakemake does it: the program is itself a step of the job.
    step = ["srun", "--nodes=1", "--ntasks=1", sys.executable, "-c", JOB, folder]
    with subprocess.Popen(
        [*allocate, *step, json.dumps(SETTINGS | values), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        if meanwhile is not None:
            meanwhile()
        said, errors = job.communicate(timeout=90)
    assert job.returncode == 0, errors
    answer: dict[str, Any] = json.loads(said)
    return answer


def node_of(log: Path) -> str:
    [line] = [line for line in log.read_text().splitlines() if line.startswith("node ")]
    return line.removeprefix("node ")


def test_one_server_on_each_node(slurm: Slurm, tmp_path: Path) -> None:
    said = run_in_job(tmp_path)
    assert len(set(said["endpoints"])) == len(NODES)
    assert said["trouble"] is None
    assert said["proven"] == PROVEN_ON_NODES
    assert said["stranger"] is None
    every_gpu = ",".join(str(number) for number in range(GPUS_PER_NODE))
    for number, node in enumerate(NODES):
        log = (tmp_path / f"server-{number}.log").read_text()
        assert f"CUDA_VISIBLE_DEVICES={every_gpu}\n" in log
        assert node_of(tmp_path / f"server-{number}.log") == node
    slurm.await_idle()
    assert processes_of(tmp_path) == []


def test_a_stranger_on_a_node_is_seen_from_the_job(slurm: Slurm, tmp_path: Path) -> None:
    with socket.socket() as stranger:

        def join() -> None:
            announced = tmp_path / "endpoints.json"
            await_true(lambda: announced.exists() and announced.read_text() != "")
            address = urlsplit(json.loads(announced.read_text())[1])
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            stranger.bind((address.hostname or "", address.port or 0))
            stranger.listen()
            (tmp_path / "stranger").touch()

        said = run_in_job(tmp_path, "stranger", meanwhile=join)
    assert f"(process {os.getpid()}) on node {NODES[1]} listens at {said['endpoints'][1]}" in said["stranger"]


@pytest.mark.parametrize("killed", ["command", "guard"])
def test_servers_on_nodes_end_with_a_command_or_guard_that_is_killed(
    slurm: Slurm, tmp_path: Path, killed: str
) -> None:
    """While the job lives, so that it is not Slurm that ends them."""
    allocate = ["salloc", "--quiet", "--partition=gpu", "--nodes=2", "--gres=gpu:8", "bash", "-c"]
    step = ["srun", "--nodes=1", "--ntasks=1", sys.executable, "-c", JOB, tmp_path, json.dumps(SETTINGS)]
    with subprocess.Popen(
        [*allocate, '"$@"; read _', "bash", *step, "stranger"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as job:
        try:
            await_true((tmp_path / "endpoints.json").exists)
            assert len(serving(tmp_path)) >= len(NODES)
            jobs = [p for p in processes_of(tmp_path) if JOB in p.info["cmdline"]]
            [command] = [p for p in jobs if p.name().startswith("python")]  # neither salloc, bash nor srun
            [pid] = [pid for pid in below(command.pid) if guard.__name__ in command_of(pid)]
            os.kill({"command": command.pid, "guard": pid}[killed], signal.SIGKILL)
            (tmp_path / "stranger").touch()
            await_true(lambda: not serving(tmp_path), 10)
            assert len(slurm.jobs()) == 1
        finally:
            assert job.stdin is not None
            job.stdin.close()
            slurm.cancel_all()


def await_true(done: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def serving(folder: Path) -> list[psutil.Process]:
    """Return what runs a server of the folder's model on a node: neither srun nor the test's own command."""
    return [p for p in processes_of(folder) if str(SERVER) in p.info["cmdline"][1:2]]


def processes_of(folder: Path) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]


def test_one_server_over_both_nodes(slurm: Slurm, tmp_path: Path) -> None:
    said = run_in_job(tmp_path, nodes_per_replica=2, tensor_parallel_size=16)
    assert len(said["endpoints"]) == 1
    first, second = said["commands"]
    assert first[-3:] == ["--nnodes=2", "--node-rank=0", "--master-addr=127.0.0.1"]
    assert second[-4:] == ["--nnodes=2", "--node-rank=1", "--master-addr=127.0.0.1", "--headless"]
    assert tuple(node_of(tmp_path / f"server-{number}.log") for number in (0, 1)) == NODES


def test_nodes_that_cannot_be_divided(slurm: Slurm, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"the job has 2 nodes, which server.nodes_per_replica \(3\)"):
        run_in_job(tmp_path, nodes_per_replica=3)
