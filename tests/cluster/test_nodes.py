"""`server.launcher: srun`: servers on all nodes of an allocation, from within a job."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from own_slurm import GPUS_PER_NODE, NODES, Slurm

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
    print(json.dumps({"endpoints": running.endpoints, "trouble": running.trouble(),
                      "commands": [server.launch.command for server in running.processes]}))
"""


def run_in_job(folder: Path, **values: object) -> dict[str, list[str]]:
    settings = {"executable": str(SERVER), "model_name": "tiny", "launcher": "srun", "startup_timeout_s": 30}
    allocate = ["salloc", "--quiet", "--partition=gpu", "--nodes=2", "--gres=gpu:8"]
    # As Snakemake does it: the program is itself a step of the job.
    step = ["srun", "--nodes=1", "--ntasks=1", sys.executable, "-c", JOB, folder]
    done = subprocess.run(
        [*allocate, *step, json.dumps(settings | values)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, list[str]] = json.loads(done.stdout)
    return said


def node_of(log: Path) -> str:
    [line] = [line for line in log.read_text().splitlines() if line.startswith("node ")]
    return line.removeprefix("node ")


def test_one_server_on_each_node(slurm: Slurm, tmp_path: Path) -> None:
    said = run_in_job(tmp_path)
    assert len(set(said["endpoints"])) == len(NODES)
    assert said["trouble"] is None
    every_gpu = ",".join(str(number) for number in range(GPUS_PER_NODE))
    for number, node in enumerate(NODES):
        log = (tmp_path / f"server-{number}.log").read_text()
        assert f"CUDA_VISIBLE_DEVICES={every_gpu}\n" in log
        assert node_of(tmp_path / f"server-{number}.log") == node
    slurm.await_idle()
    assert [
        p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])
    ] == []


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
