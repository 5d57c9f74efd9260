"""The syntax of config.yaml, which is checked before Snakemake reads it: Snakemake names neither file nor line.

In:  config.yaml
Out: OWN_CONFIG
"""

import sys
from pathlib import Path

from weighbridge.core.errors import WeighbridgeError
from weighbridge.core.models import read_data

OWN_CONFIG = Path(str(workflow.current_basedir)).parents[1] / "config.yaml"
try:
    read_data(OWN_CONFIG)
except WeighbridgeError as error:
    sys.stderr.write(f"weighbridge: {error}\n")
    sys.exit(error.exit_code)
