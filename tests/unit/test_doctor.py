"""`weighbridge doctor`, on machines that are really short of something: programs, files, limits, a hub."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from weighbridge.benchmarks.machine_needs import needs_of
from weighbridge.benchmarks.registry import benchmarks
from weighbridge.system.machine_check import Diagnosis, MachineCheck, MachineState, MachineUse

ROOT = Path(__file__).parents[2]
SECRET = "hf_aVerySecretTokenOfSomebody"


def examined(
    folder: Path, *arguments: str, path: Path | None = None, files: int | None = None, **env: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, MachineCheck]]:
    """Call the program in a folder, with the programs of `path` alone and so many open files."""

    def limit() -> None:
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    changed = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", **env}
    if path is not None:
        changed["PATH"] = str(path)
    done = subprocess.run(
        [sys.executable, "-m", "weighbridge", "doctor", "--json", *arguments],
        cwd=folder,
        env=changed,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    found = Diagnosis.parse_json(done.stdout, "doctor")
    return done, {check.name: check for check in found.checks}


def program(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return folder


@contextmanager
def hub() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_empty_folder_can_compare_endpoints_and_not_run_the_benchmark(tmp_path: Path) -> None:
    done, checks = examined(tmp_path, path=program(tmp_path / "bin", "nothing"))
    assert done.returncode == 0, done.stderr
    uses = {each["use"]: each["possible"] for each in json.loads(done.stdout)["uses"]}
    assert uses == {"bench": True, "demo": False, "benchmark": False, "slurm": False, "mmlu": False}
    assert "`weighbridge init` writes what is laid over it" in (checks["configuration"].remedy or "")
    assert checks["Slurm"].found == "no sbatch, srun, squeue, sinfo on PATH"
    assert checks["vLLM of the demo"].state is MachineState.MISSING
    assert checks["model server"].found == "no vllm on PATH"
    assert checks["hub"].state is MachineState.WARNING
    assert "http://127.0.0.1:9 does not answer" in checks["hub"].found
    assert all((check.remedy is None) == (check.state is MachineState.OK) for check in checks.values())


def test_what_is_there_is_found_and_the_token_is_not_shown(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "sbatch", "srun", "squeue", "sinfo", "apptainer", "vllm")
    server = tmp_path / "lib" / "python3.12" / "site-packages" / "vllm-0.12.0.dist-info"
    server.mkdir(parents=True)
    program(tmp_path / ".venv-quality" / "bin", "weighbridge")
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["server"] |= {"endpoints": "http://127.0.0.1:9", "endpoints_timeout_s": 60}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with hub() as url:
        done, checks = examined(
            tmp_path,
            "--for=slurm",
            "--for=mmlu",
            "--for=benchmark",
            path=path,
            HF_ENDPOINT=url,
            HF_TOKEN=SECRET,
        )
        assert done.returncode == 0, done.stderr
        assert checks["hub"].found == f"{url} answers"
        assert checks["HF_TOKEN"].found == "HF_TOKEN is set"
        assert SECRET not in done.stdout + done.stderr
        assert checks["apptainer, conda"].found == "apptainer"
        # The servers are somebody's own, so neither GPUs nor room for the weights are asked for.
        assert checks["model server"].found == "yours: http://127.0.0.1:9; no answer yet"
        assert checks["model server"].state is MachineState.WARNING
        assert "disk for the benchmark" not in checks
        assert "with the seeds of round v6.0" in checks["LoadGen"].found
        config["server"] |= {"endpoints": [], "gpus": 4096, "replicas": 1}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        done, checks = examined(tmp_path, "--for=benchmark", path=path, HF_ENDPOINT=url)
    assert done.returncode == 3
    assert "missing for benchmark: GPUs" in done.stderr.splitlines()[-1]
    assert "use a machine with 4096 GPUs" in (checks["GPUs"].remedy or "")
    assert checks["model server"].found == f"vllm 0.12.0 at {path}/vllm"


def test_an_endpoint_that_does_not_answer_is_missing_for_the_benchmark(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["server"] |= {"endpoints": "http://127.0.0.1:9", "endpoints_timeout_s": 0.1}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    done, checks = examined(tmp_path, "--for=benchmark")
    assert done.returncode == 3
    assert "missing for benchmark: model server" in done.stderr.splitlines()[-1]
    assert "Connection refused; start it" in (checks["model server"].remedy or "")


def test_too_few_open_files_and_a_damaged_configuration_are_missing(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("round: v6.0\nrond: 1\n")
    done, checks = examined(tmp_path, files=256)
    assert done.returncode == 3
    assert "missing for bench: open files (ulimit -n)" in done.stderr.splitlines()[-1]
    assert checks["open files (ulimit -n)"].found == "256 (now 256, raised as needed)"
    assert "raise the limit to 4,160" in (checks["open files (ulimit -n)"].remedy or "")
    assert checks["configuration"].state is MachineState.MISSING
    assert "configuration: " in (checks["configuration"].remedy or "")


def test_a_use_is_possible_where_nothing_that_it_needs_is_missing() -> None:
    slurm = (MachineUse.SLURM,)
    found = Diagnosis.of(
        [MachineCheck.of("a", "x", warning="w"), MachineCheck.of("b", "y", slurm, missing="m")]
    )
    assert [each.use for each in found.uses if not each.possible] == [MachineUse.SLURM]
    assert found.missing_for(MachineUse.SLURM) == ("b",)
    assert found.missing_for(MachineUse.BENCH) == ()


@pytest.mark.parametrize("name", sorted(benchmarks()))
def test_each_benchmark_of_the_release_says_what_it_needs(name: str) -> None:
    needs = needs_of(name)
    assert needs is not None
    assert needs.disk_bytes > needs.gpu_memory_bytes / 2
