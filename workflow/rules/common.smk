"""What all stages share: validated settings, the round, and pins that trigger reruns.

In:  config.yaml under the profile's overlay, the round's file in its benchmark's folder
Out: SETTINGS, ROUND, ROUND_FILE, SCENARIOS, SEARCHED, PEAK, CLIENT, the environments' files, ALL_CORES, pin(), drawn()
"""

import os
import sys
from hashlib import sha256
from pathlib import Path
from shlex import quote

from weighbridge.config.settings import check_against_round, parse_settings
from weighbridge.core.errors import WeighbridgeError
from weighbridge.benchmarks.rounds import load_round, round_file
from weighbridge.loadgen.work_size import warn_of_work
from weighbridge.serving.arguments import check_arguments

ROOT = Path(workflow.basedir)

try:
    SETTINGS = parse_settings(config, ROOT)
    ROUND = load_round(SETTINGS.round, SETTINGS.category)
    check_against_round(SETTINGS, ROUND)
    check_arguments(SETTINGS.server, ROUND.server_must_not)
except WeighbridgeError as error:
    # One sentence and its exit code; Snakemake would wrap it in the text of this file.
    sys.stderr.write(f"weighbridge: {error}\n")
    sys.stderr.flush()
    os._exit(error.exit_code)

ROUND_FILE = round_file(SETTINGS.round)
# LoadGen's seeds are compiled in, so a round may have an environment of its own for its client.
CLIENT_ENVIRONMENT = f"../../envs/client-{ROUND.client}.yaml"
OWN_CLIENT = ROOT / f".venv-{ROUND.client}" / "bin" / "weighbridge"
CLIENT = (
    OWN_CLIENT
    if OWN_CLIENT.is_file() and not workflow.deployment_settings.deployment_method
    else "weighbridge"
)
# A server named by a path, in a container or run by the user needs no environment of ours.
SERVER_ENVIRONMENT = (
    "../../envs/server.yaml" if SETTINGS.server.found_by_name else CLIENT_ENVIRONMENT
)
if workflow.deployment_settings.deployment_method:
    # An isolated job runs this checkout's package, and with its own environment's Python.
    # Snakemake fills in braces here too, which is why they are doubled twice.
    shell.prefix(
        f"weighbridge() {{{{ PYTHONPATH={quote(str(ROOT / 'src'))} python -P -m weighbridge \"$@\"; }}}}; "
    )
for scenario, chosen in SETTINGS.scenarios.items():
    if scenario in ROUND.scenarios and chosen.target_qps != "auto":
        if told := warn_of_work(ROUND, ROUND.scenarios[scenario], chosen.target_qps):
            logger.warning(told)
# The Server rate is searched for, and the run that confirms it becomes the performance run.
SEARCHED = any(chosen.target_qps == "auto" for chosen in SETTINGS.scenarios.values())
PEAK = "results/server/peak.json"
# What a rule gets that can use all of a machine; on a cluster, the profile's set-threads says it instead.
ALL_CORES = workflow.resource_settings.cores or 8
SCENARIOS = [str(scenario) for scenario in ROUND.scenarios]


wildcard_constraints:
    scenario="|".join(SCENARIOS),
    mode="performance|accuracy",


def pin(*parts):
    """Hash constants of the round; as a param, the hash reruns a job when one of its own changes."""
    return sha256("\n".join(map(repr, parts)).encode()).hexdigest()


def drawn(group, title):
    """Declare a folder of figures; which are in it, the results decide. `snakemake --report` shows them too."""
    return report(
        directory(f"results/figures/{group}"),
        patterns=["{figure}.png"],
        caption=f"../report/{group}.rst",
        category="Figures",
        subcategory=title,
        labels={"figure": "{figure}"},
    )
