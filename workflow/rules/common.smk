"""What all stages share: validated settings, the round, and pins that trigger reruns.

In:  config.yaml under the profile's overlay, workflow/rounds/NAME.yaml
Out: SETTINGS, ROUND, ROUND_FILE, SCENARIOS, CLIENT, pin()
"""

import os
import sys
from hashlib import sha256
from pathlib import Path

from weighbridge.config import parse_settings
from weighbridge.errors import InputError
from weighbridge.rounds import load_round, round_file

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

ROUND_FILE = round_file(SETTINGS.round, ROUNDS)
# LoadGen's seeds are compiled in, so a round may have an environment of its own for its client.
CLIENT_ENVIRONMENT = f"../../envs/client-{ROUND.client}.yaml"
OWN_CLIENT = ROOT / f".venv-{ROUND.client}" / "bin" / "weighbridge"
CLIENT = (
    OWN_CLIENT
    if OWN_CLIENT.is_file() and not workflow.deployment_settings.deployment_method
    else "weighbridge"
)
SCENARIOS = [str(scenario) for scenario in ROUND.scenarios]


wildcard_constraints:
    scenario="|".join(SCENARIOS),
    mode="performance|accuracy",


def pin(*parts):
    """Hash constants of the round; as a param, the hash reruns a job when one of its own changes."""
    return sha256("\n".join(map(repr, parts)).encode()).hexdigest()
