"""`weighbridge submit`: the workflow as a person runs it ends with a table, a reason and its exit code."""

import json
import os
import subprocess
from pathlib import Path

from driver import BIN, run_weighbridge
from small_run import SmallRun


def submit(run: SmallRun, *words: str) -> subprocess.CompletedProcess[str]:
    """Give the command that makes a small run: results are on stdout, the reason is on stderr."""
    run.workflow.command(**run.changes)  # writes the changes
    command = [BIN / "weighbridge", "submit", "--directory", run.workflow.directory, "--cores", "2"]
    command += ["--config", "demo/config.yaml", "--config", run.workflow.directory.parent / "changes.yaml"]
    return subprocess.run(
        [*map(str, command), *words],
        cwd=run.workflow.root,
        env=os.environ | {"PATH": os.environ["PATH"].replace(f"{BIN}:", "")},  # which it needs nothing of
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_finished_is_shown(finished: SmallRun) -> None:
    done = submit(finished)
    assert done.returncode == 0, done.stderr
    log = finished.workflow.directory / "logs" / "snakemake.log"
    assert "Nothing to be done" in log.read_text()
    first, *lines = done.stdout.splitlines()
    assert str(log) in first
    assert sum("VALID" in line for line in lines) == 2
    assert f"Report, with figures: {finished.results / 'report.html'}" in lines
    assert f"Submission tree, unpacked beside it: {finished.results / 'submission.tar.gz'}" in lines


def test_a_gate_that_fails_ends_with_its_reason(finished: SmallRun, tmp_path: Path) -> None:
    run = finished.copied_to(tmp_path / "run")
    path = run.results / "server" / "verdict.json"
    verdict = json.loads(path.read_text())
    verdict["outcome"] = "INVALID"
    verdict["checks"][0] |= {"passed": False, "remedy": "Lower the rate."}
    path.write_text(json.dumps(verdict))

    done = submit(run)
    assert done.returncode == 4, done.stdout
    assert "INVALID" in done.stdout
    assert "failed   assemble" in done.stdout
    assert "Submission tree" not in done.stdout
    last = done.stderr.splitlines()[-1]
    assert "no tree is built from this server run" in last
    assert f"assemble (exit code 4, {run.workflow.directory}/logs/assemble.log)" in last

    # Snakemake alone says it last, too.
    plain = run.workflow("submission", **run.changes)
    assert plain.code == 1
    assert plain.text.splitlines()[-1] == f"weighbridge: {last.partition(' ERROR ')[2]}"

    judged = submit(run, "verdicts")
    assert judged.returncode == 4
    assert "server is INVALID" in judged.stderr
    assert "Lower the rate." in judged.stderr
    assert submit(run, "results/offline/accuracy.txt").returncode == 0  # of no verdict that was asked for


def test_a_wrong_setting_ends_with_its_sentence(finished: SmallRun) -> None:
    done = submit(finished, "--set", "rounds=3")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "the command line: unknown key 'rounds'; check its spelling, or remove it."
    )
    assert len(done.stdout.splitlines()) == 1  # nothing was made


def test_outside_of_a_checkout(tmp_path: Path) -> None:
    answer = run_weighbridge(tmp_path, "submit")
    assert answer.code == 2
    assert "has no Snakefile" in answer.text
