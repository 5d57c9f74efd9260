"""The workflow on a real Slurm: the shipped profile as it is, real LoadGen, a simulated server."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from own_slurm import Slurm
from submit_host import BIN, ROOT, SubmitHost

from weighbridge.records.server_life import LIFE_RECORD, LIVES_FOLDER, ServerLife
from weighbridge.run.folder_lock import locked

RUN = "results/offline/performance/run.json"
SERVER_LOG = "results/offline/performance/server.log"
OFFLINE = [f"results/offline/{run}/run.json" for run in ("performance", "accuracy")]
PROFILE = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
# What makes one job of all runs, as a comment of the profile has it.
GROUPED = [
    word
    for option, values in re.findall(r"^# (groups|group-components): \[(.+)\]$", PROFILE, re.MULTILINE)
    for word in (f"--{option}", *values.split(", "))
]


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
    shutil.rmtree(directory / "results" / LIVES_FOLDER)
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


def test_jobs_that_could_not_start_are_not_submitted(slurm: Slurm, tmp_path: Path) -> None:
    spaced = tmp_path / "a checkout" / ".venv"
    spaced.parent.mkdir()
    spaced.symlink_to(BIN.parent)
    code, text = SubmitHost(tmp_path / "run", python=spaced / "bin" / "python").run("artifacts")
    assert (code, "submitted with SLURM" in text) == (1, False)
    assert "a checkout/.venv/bin/python: Snakemake does not quote this path" in text


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


def test_submit_ends_with_the_code_of_the_slurm_job_that_failed(slurm: Slurm, tmp_path: Path) -> None:
    words = ["submit", "resources/server.json", "--profile", "slurm", "--directory", str(tmp_path / "run")]
    words += ["--config", "demo/config.yaml", "--set", "server.executable=/bin/false"]
    words += ["--snakemake", "--slurm-status-command squeue --latency-wait 5"]
    done = subprocess.run(
        [str(BIN / "weighbridge"), *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "failed   find server" in done.stdout
    assert re.search(r"find server \(exit code 3, .*logs/find-server\.log\): '/bin/false", done.stderr)
    assert "submitted with SLURM" in (tmp_path / "run" / "logs" / "snakemake.log").read_text()
    assert processes_in(tmp_path / "run") == []


def test_cancelled_then_killed_the_same_command_goes_on(unmeasured: SubmitHost, slurm: Slurm) -> None:
    lives = unmeasured.directory / "results" / LIVES_FOLDER

    def started() -> bool:
        return any(lives.glob("*/server.log")) and len(processes_in(unmeasured.directory)) > 1

    with unmeasured.start(RUN) as snakemake:
        wait_for(started)
        slurm.cancel_all()
        wait_for(lambda: len(processes_in(unmeasured.directory)) <= 1)
        assert snakemake.communicate(timeout=90)[0]
    assert snakemake.returncode != 0
    assert processes_in(unmeasured.directory) == []
    assert not (unmeasured.directory / RUN).exists()

    shutil.rmtree(lives)
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


@pytest.fixture
def without_offline(finished: SubmitHost, tmp_path: Path) -> SubmitHost:
    """All but the runs of one scenario."""
    directory = tmp_path / "run"
    shutil.copytree(finished.directory, directory, symlinks=True)
    for folder in ("offline/performance", "offline/accuracy", "lives"):
        shutil.rmtree(directory / "results" / folder)
    return SubmitHost(directory)


def uses(host: SubmitHost) -> list[list[str]]:
    """Return what used the server, for each of its starts."""
    files = sorted((host.directory / "results" / LIVES_FOLDER).glob(f"*/{LIFE_RECORD}"))
    lives = [ServerLife.read(file) for file in files]
    assert all(life.ended for life in lives)
    return [[use.label for use in life.uses] for life in lives]


def test_a_run_that_is_a_job_of_its_own_has_a_start_of_its_own(finished: SubmitHost) -> None:
    assert [len(labels) for labels in uses(finished)] == [1, 1, 1, 1]


def test_runs_of_a_group_share_an_allocation_and_a_start(without_offline: SubmitHost, slurm: Slurm) -> None:
    listing = ("squeue", "-h", "-t", "all", "-o", "%i %C %m %l %b")
    before = slurm.ask(*listing).splitlines()
    code, text = without_offline.run(*OFFLINE, *GROUPED)
    assert code == 0, text
    assert uses(without_offline) == [["offline performance", "offline accuracy"]]
    [job] = set(slurm.ask(*listing).splitlines()) - set(before)
    # Of one run each, but the time, which is that of both.
    assert job.split()[1:] == ["64", "500000M", "1-00:00:00", "gres:gpu:8"]
    assert processes_in(without_offline.directory) == []


def test_a_group_of_which_one_run_fails_keeps_the_finished_one(without_offline: SubmitHost) -> None:
    with locked(without_offline.directory / "results" / "offline" / "accuracy", "a test"):
        code, text = without_offline.run(*OFFLINE, *GROUPED)
    assert code != 0
    assert "is in use by 'a test'" in text
    finished = without_offline.directory / OFFLINE[0]
    before = finished.read_bytes()
    code, text = without_offline.run(*OFFLINE, *GROUPED)
    assert code == 0, text
    assert re.search(r"^benchmark +1$", text, re.MULTILINE), text
    assert finished.read_bytes() == before
    assert uses(without_offline) == [["offline performance"], ["offline accuracy"]]
    assert processes_in(without_offline.directory) == []
