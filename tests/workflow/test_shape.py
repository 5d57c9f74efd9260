"""The workflow before anything runs: its plan, its lint, its schema."""

import subprocess
from pathlib import Path

from driver import BIN, Workflow
from small_run import planned

from weighbridge.config.settings import schema_text


def test_the_demo_is_four_runs_and_their_verdicts(workflow: Workflow) -> None:
    answer = workflow("-n", "submission")
    assert answer.code == 0, answer.text
    jobs = planned(answer.text)
    assert jobs["benchmark"] == 4
    assert jobs["evaluate"] == jobs["gate"] == 2


def test_the_real_benchmark_plans_from_the_hub_to_the_tree(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "snakemake", "-n", "--directory", tmp_path, "submission"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "rule prompt:" in done.stdout + done.stderr


def test_one_file_needs_only_its_own_runs(workflow: Workflow) -> None:
    answer = workflow("-n", "results/offline/accuracy.txt")
    assert answer.text.count("rule benchmark:") == 1


def test_lint_is_clean(root: Path) -> None:
    done = subprocess.run(
        [BIN / "snakemake", "--lint"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_is_that_of_the_models(root: Path) -> None:
    schema = (root / "src" / "weighbridge" / "schemas" / "config.schema.json").read_text()
    assert schema == schema_text(), "run `make schema`"
