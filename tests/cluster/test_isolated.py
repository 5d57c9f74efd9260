"""The demo with an environment for each concern (`--sdm conda`), none of which holds the package itself."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from submit_host import BIN, ROOT, SubmitHost

STAND_IN = Path(__file__).parent / "conda_stand_in" / "bin"


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("isolated")
    host = SubmitHost(folder / "run")
    # The four runs at once: here it matters that they run, not how fast.
    options = ["--cores", "4", "--set-threads", "benchmark=1", "--sdm", "conda"]
    command = host.command("submission", *options, profile=None)
    path = f"{STAND_IN}:{BIN}:{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def test_every_stage_runs_with_the_packages_of_its_own_environment(isolated: Path) -> None:
    summary = json.loads((isolated / "results" / "summary.json").read_text())
    assert [line["outcome"] for line in summary["scenarios"]] == ["VALID", "VALID"]
    built = [path for path in (isolated / ".snakemake" / "conda").iterdir() if path.is_dir()]
    # fetch, client, analysis; the server is named by a path here, and brings its own.
    assert len(built) == 3
    for prefix in built:
        packages = {path.name for path in prefix.glob("lib/python3*/site-packages/*")}
        assert "snakemake" not in packages
        assert "weighbridge" not in packages


def test_the_loadgen_that_ran_is_the_environments(isolated: Path) -> None:
    [pins] = [
        entry["pip"]
        for entry in yaml.safe_load((ROOT / "envs" / "client-v6.0.yaml").read_text())["dependencies"]
        if isinstance(entry, dict)
    ]
    record = json.loads((isolated / "results" / "offline" / "performance" / "run.json").read_text())
    assert f"mlcommons-loadgen=={record['load']['loadgen_version']}" in pins
