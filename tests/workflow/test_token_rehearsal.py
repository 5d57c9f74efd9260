"""The rehearsal of token streams in small: its profile, edge category, with a round of 100 samples."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from small_rehearsal import rehearse

SAMPLES, CHARACTERS = 100, 600  # of a summary, on average
BEHAVIOUR = {"servers": 10, "ttft_s": 0.02, "tpot_s": 0.0005, "distribution": "lognormal", "sigma": 0.2}
PROFILE, SETTINGS = "profiles/llama-rehearsal", "rehearsal/llama.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("token-rehearsal")
    mean = SAMPLES * CHARACTERS
    rules = {"min_duration_s": 0.2}
    edge = {
        "samples": SAMPLES,
        "splits": ["validation"],
        "metrics": {"gen_len": {"floor": 0.9 * mean, "ceiling": 1.1 * mean, "reference_mean": mean}},
        "scenarios": {"offline": rules | {"min_query_count": SAMPLES}, "singlestream": rules},
    }
    round_file = folder / "round.yaml"
    content = {"extends": "llama3.1-8b/rehearsal", "name": "small-rehearsal", "categories": {"edge": edge}}
    round_file.write_text(yaml.safe_dump(content))
    changes = {
        "round": str(round_file),
        "category": "edge",
        "artifacts": {"dataset": {"synthetic": SAMPLES}},
        "server": {
            "args": [f"--round={round_file}", f"--behaviour={json.dumps(BEHAVIOUR)}"],
            "warmup_requests": 2,
        },
        "scenarios": {"offline": {"target_qps": 100}, "singlestream": {"target_qps": 12}},
    }
    (folder / "changes.yaml").write_text(yaml.safe_dump(changes))
    directory = folder / "run"
    done = rehearse(directory, "--configfile", SETTINGS, folder / "changes.yaml", profile=PROFILE)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "results"


@pytest.mark.parametrize("scenario", ["offline", "singlestream"])
def test_verdicts_are_valid_with_every_metric(finished: Path, scenario: str) -> None:
    verdict = json.loads((finished / scenario / "verdict.json").read_text())
    assert (verdict["outcome"], verdict["category"], verdict["submittable"]) == ("VALID", "edge", False)
    assert verdict["metrics"].keys() >= {"rouge1", "rouge2", "rougeL", "rougeLsum", "gen_len"}


def test_single_stream_alone_is_streamed_from_the_same_store(finished: Path) -> None:
    for scenario, streamed in (("offline", False), ("singlestream", True)):
        rows = pd.read_parquet(finished / scenario / "performance" / "requests.parquet")
        assert (rows["first_ns"] < rows["last_ns"]).any() == streamed
        assert rows["tokens"].between(110, 128).all()
        if streamed:
            tpot_s = (rows["last_ns"] - rows["first_ns"]) / (rows["tokens"] - 1) / 1e9
            assert tpot_s.median() > BEHAVIOUR["tpot_s"] / 2


def test_the_tree_is_the_edge_category_s(finished: Path) -> None:
    assert json.loads((finished / "check.json").read_text())["complaints"] == []
    results = finished / "submission" / "closed" / "Rehearsal" / "results" / "simulated-endpoint"
    assert [path.name for path in results.iterdir()] == ["llama3.1-8b-edge"]
    assert {path.name for path in (results / "llama3.1-8b-edge").iterdir()} >= {"Offline", "SingleStream"}


@pytest.mark.parametrize("round_", ["llama3.1-8b/rehearsal", "llama3.1-8b/rehearsal-v6.1"])
def test_the_datacenter_rehearsal_is_planned_with_test06(round_: str, tmp_path: Path) -> None:
    done: subprocess.CompletedProcess[str] = rehearse(
        tmp_path, "-n", "--config", f"round={round_}", profile=PROFILE
    )
    assert done.returncode == 0, done.stderr
    for scenario in ("offline", "server", "interactive"):
        for run in ("performance", "accuracy", "TEST06"):
            assert f"results/{scenario}/{run}/run.json" in done.stdout + done.stderr
