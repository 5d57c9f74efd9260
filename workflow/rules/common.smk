"""What all stages share: validated settings, the round, and pins that trigger reruns.

In:  config.yaml under the profile's overlay, workflow/rounds/NAME.yaml
Out: SETTINGS, ROUND, ROUND_FILE, SCENARIOS, pin()
"""

import os
import sys
from hashlib import sha256
from pathlib import Path

from weighbridge.config import parse_settings
from weighbridge.errors import InputError
from weighbridge.rounds import load_round

ROOT = Path(workflow.basedir)
ROUNDS = ROOT / "workflow" / "rounds"

try:
    SETTINGS = parse_settings(config, ROOT)
    ROUND = load_round(SETTINGS.round, ROUNDS)
except InputError as error:
    # One sentence and its exit code; Snakemake would wrap it in the text of this file.
    sys.stderr.write(f"weighbridge: {error}\n")
    sys.stderr.flush()
    os._exit(error.exit_code)

ROUND_FILE = ROUNDS / f"{SETTINGS.round}.yaml"
SCENARIOS = [str(scenario) for scenario in ROUND.scenarios]


wildcard_constraints:
    scenario="|".join(SCENARIOS),
    mode="performance|accuracy",


def pin(*parts):
    """Hash constants of the round; as a param, the hash reruns a job when one of its own changes."""
    return sha256("\n".join(map(repr, parts)).encode()).hexdigest()
