"""The workflow on a real Slurm: the shipped profile as it is, real LoadGen, a simulated server."""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from own_slurm import Slurm
from submit_host import SubmitHost

RUN = "results/offline/performance/run.json"
SERVER_LOG = "results/offline/performance/server.log"


@pytest.fixture(scope="module")
def finished(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> SubmitHost:
    host = SubmitHost(tmp_path_factory.mktemp("cluster-run") / "run")
    code, text = host.run("submission")
    assert code == 0, text
    return host


@pytest.fixture
def unmeasured(finished: SubmitHost, tmp_path: Path) -> SubmitHost:
    """All that comes before a run, and not that run."""
    directory = tmp_path / "run"
    shutil.copytree(finished.directory, directory, symlinks=True)
    shutil.rmtree(directory / "results" / "offline" / "performance")
    return SubmitHost(directory)


def wait_for(what: Callable[[], object], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def processes_in(directory: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(directory):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_the_demo_passes_through_slurm(finished: SubmitHost) -> None:
    summary = json.loads((finished.directory / "results" / "summary.json").read_text())
    assert [line["outcome"] for line in summary["scenarios"]] == ["VALID", "VALID"]
    assert (finished.directory / "results" / "submission" / "closed").is_dir()


def test_measuring_jobs_get_their_gpus_and_no_other_does(finished: SubmitHost, slurm: Slurm) -> None:
    log = (finished.directory / SERVER_LOG).read_text()
    assert re.match(r"node weigh[12] GPUs 0,1,2,3,4,5,6,7\n", log)
    logs = (finished.directory / ".snakemake" / "slurm_logs").glob("rule_*/**/*.log")
    rules = {path.stem: path.relative_to(path.parents[-2]).as_posix() for path in logs}
    asked = dict(line.split() for line in slurm.ask("squeue", "-h", "-t", "all", "-o", "%i %b").splitlines())
    with_gpus = {job: "gpu" in asked[job] for job in rules}
    assert sum(with_gpus.values()) == 6
    for job, path in rules.items():
        assert with_gpus[job] == any(
            f"rule_{name}/" in path for name in ("benchmark", "preflight", "find_server")
        )


def test_a_second_run_does_nothing(finished: SubmitHost) -> None:
    code, text = finished.run("submission")
    assert code == 0
    assert "Nothing to be done" in text, text


def test_a_job_that_fails_is_told_with_its_log(unmeasured: SubmitHost) -> None:
    unmeasured.environment["WEIGHBRIDGE_FAULT"] = "the GPUs fell off the bus"
    code, text = unmeasured.run(RUN)
    assert code != 0
    assert "the server ended with exit code 1 while starting" in text
    assert "the GPUs fell off the bus" in text
    assert SERVER_LOG in text
    assert processes_in(unmeasured.directory) == []


def test_cancelled_then_killed_the_same_command_goes_on(unmeasured: SubmitHost, slurm: Slurm) -> None:
    server_log = unmeasured.directory / SERVER_LOG

    def started() -> bool:
        return server_log.is_file() and len(processes_in(unmeasured.directory)) > 1

    with unmeasured.start(RUN) as snakemake:
        wait_for(started)
        slurm.cancel_all()
        wait_for(lambda: len(processes_in(unmeasured.directory)) <= 1)
        assert snakemake.communicate(timeout=90)[0]
    assert snakemake.returncode != 0
    assert processes_in(unmeasured.directory) == []
    assert not (unmeasured.directory / RUN).exists()

    shutil.rmtree(server_log.parent, ignore_errors=True)
    with unmeasured.start(RUN) as snakemake:
        wait_for(started)
        os.killpg(snakemake.pid, signal.SIGKILL)
    # Slurm's job does not know of that, and goes on; whoever killed its master ends it too.
    slurm.cancel_all()
    wait_for(lambda: processes_in(unmeasured.directory) == [])

    assert unmeasured.run(RUN, "--unlock")[0] == 0
    code, text = unmeasured.run(RUN)
    assert code == 0, text
    assert re.search(r"^benchmark +1$", text, re.MULTILINE), text
    assert not re.search(r"^(fetch|build_requests|preflight) +\d$", text, re.MULTILINE)
    assert json.loads((unmeasured.directory / RUN).read_text())["load"]["aborted"] is None
