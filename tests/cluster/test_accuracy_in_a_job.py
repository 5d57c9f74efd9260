"""The demo's accuracy run on the real vLLM, as a job of a real Slurm (minutes)."""

import json
from pathlib import Path

import pytest
from own_slurm import Slurm
from submit_host import ROOT, SubmitHost

pytestmark = pytest.mark.vllm


def test_the_demos_score_is_reached_in_a_job(slurm: Slurm, tmp_path: Path) -> None:
    if not (ROOT / ".venv-server" / "bin" / "vllm").exists():
        pytest.skip("vLLM for CPUs is not installed; make setup does it")
    host = SubmitHost(tmp_path / "run", changes={})
    code, text = host.run("results/offline/accuracy.txt")
    assert code == 0, text
    record = json.loads((host.directory / "results" / "offline" / "accuracy" / "run.json").read_text())
    assert record["server"]["golden"] == "as recorded"
    assert record["server"]["prefix_caching"] == "off"
    assert sum(record["load"]["failed"].values()) == 0
    score = json.loads((host.directory / "results" / "offline" / "accuracy.json").read_text())
    assert score["value"] >= 0.782400663
