"""The workflow as a user drives it, with the real official client: a small rehearsal, settings to tree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from weighbridge.records.verdict import Verdict

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SAMPLES, QUERIES = 112, 784
BEHAVIOUR = {"servers": 30, "distribution": "lognormal", "sigma": 0.3, "mean_s": 0.1, "right": 0.9}


def test_a_small_rehearsal_with_the_real_client_ends_in_a_tree(
    checkout: Path, client_python: Path, tmp_path: Path
) -> None:
    directory, round_file = tmp_path / "run", tmp_path / "round.yaml"
    few = {"min_duration_s": 2, "min_query_count": SAMPLES}
    rules = {
        "extends": "rehearsal-v6.1-endpoints",
        "name": "small-rehearsal-v6.1-endpoints",
        "samples": SAMPLES,
        "checker_options": ["--skip-dataset-size-check"],
        "endpoints": {"warmup_requests": 8, "stated_duration_s": 600},
        "further_datasets": {"8k": {"samples": SAMPLES}},
        "scenarios": {"offline": few, "interactive": few | {"min_query_count": QUERIES}},
        "metrics": {"f1": {"floor": 0.5, "readings": {}}},
    }
    rules["scenarios"]["interactive"] |= {"metrics": {"f1": {"floor": 0.5, "readings": {}}}}  # type: ignore[index]
    round_file.write_text(yaml.safe_dump(rules))
    changes = {
        "round": str(round_file),
        "requests": {"cache": str(tmp_path / "stores")},
        "artifacts": {
            "client": {"path": str(checkout)},
            "dataset": {"synthetic": SAMPLES},
            "further_datasets": {"8k": {"synthetic": SAMPLES}},
        },
        "server": {"args": [f"--round={round_file}", f"--behaviour={json.dumps(BEHAVIOUR)}"]},
        "scenarios": {"offline": {"target_qps": 290}, "interactive": {"target_qps": 100}},
    }
    overlay = tmp_path / "changes.yaml"
    overlay.write_text(yaml.safe_dump(changes))
    done = subprocess.run(
        [
            *(BIN / "snakemake", "submission", "--cores", "2", "--directory", directory),
            *("--configfile", "rehearsal/endpoints.yaml", overlay),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = directory / "results"
    for scenario in ("offline", "interactive"):
        assert Verdict.read(results / scenario / "verdict.json").outcome == "VALID"
    [tree] = results.glob("submission/closed/*/results/*/*")
    summary = json.loads((tree / "Interactive" / "performance" / "result_summary.json").read_text())
    assert (summary["n_samples_issued"], summary["git_sha"]) == (QUERIES, "ea33275")
    # The client has written nothing beside its results, and left nothing in its checkout.
    clean = subprocess.run(["git", "status", "--porcelain"], cwd=checkout, capture_output=True, check=True)
    assert clean.stdout == b""
