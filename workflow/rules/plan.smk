"""What `weighbridge plan` must know beside the plan that Snakemake prints.

In:  WEIGHBRIDGE_PLAN of the environment, which that command sets: a file to write
Out: in it, the configuration with all overlays, and the places that its paths are relative to
"""

import json

from weighbridge.config.settings import PLAN_VARIABLE

if PLAN_VARIABLE in os.environ:
    Path(os.environ[PLAN_VARIABLE]).write_text(
        json.dumps(
            {
                "configuration": config,
                "root": str(ROOT),
                "directory": str(Path.cwd()),
            }
        )
    )
