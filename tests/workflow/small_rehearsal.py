"""The dress rehearsal in small: a round of some hundred samples and two seconds, and its server."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml
from driver import BIN

ROOT = Path(__file__).parents[2]
BEHAVIOUR = {"servers": 20, "distribution": "lognormal", "sigma": 0.5, "mean_s": 0.1, "right": 0.75}


def small_rehearsal(
    folder: Path, samples: int, behaviour: Mapping[str, object] = BEHAVIOUR
) -> dict[str, object]:
    """Write the round's file into `folder`; returns what to lay over the rehearsal's configuration."""
    rules = {"min_duration_s": 2, "min_query_count": samples}
    round_file = folder / "round.yaml"
    round_file.write_text(
        yaml.safe_dump(
            {
                "extends": "rehearsal",
                "name": "small-rehearsal",
                "samples": samples,
                "scenarios": {"offline": dict(rules), "server": dict(rules)},
            }
        )
    )
    return {
        "round": str(round_file),
        "artifacts": {"dataset": {"synthetic": samples}},
        "requests": {"cache": str(folder / "stores")},
        "server": {
            "args": [f"--round={round_file}", f"--behaviour={json.dumps(dict(behaviour))}"],
            "warmup_requests": 2,
        },
        "scenarios": {"offline": {"target_qps": 150}, "server": {"target_qps": 100}},
    }


def rehearse(
    directory: Path, *arguments: object, target: str = "submission", profile: str = "profiles/rehearsal"
) -> subprocess.CompletedProcess[str]:
    """Run the workflow with a rehearsal's profile in a run directory, as a user does."""
    command = [BIN / "snakemake", target, "--profile", profile, "--directory", directory]
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        [*map(str, command), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
