"""The seeds that are compiled into the installed LoadGen, read in a process of their own."""

import subprocess
import sys

from weighbridge.config.round import Seeds
from weighbridge.core.errors import SetupError

# LoadGen reads its built-in settings once a process, so the process that asks must not be the one that runs.
_ASK = """
import json, sys
import mlperf_loadgen as lg
settings = lg.TestSettings()
code = settings.FromConfig("/dev/null", sys.argv[1], "Offline", 1)
seeds = {name: getattr(settings, f"{name}_rng_seed") for name in sys.argv[2:]}
print(json.dumps(seeds))
sys.exit(code)
"""


def carried_seeds(model: str) -> Seeds:
    """Ask the installed LoadGen which seeds it gives a benchmark; `model` is LoadGen's name of it.

    Raises:
        SetupError: LoadGen cannot be loaded, or does not answer.
    """
    done = subprocess.run(
        [sys.executable, "-c", _ASK, model, *Seeds.model_fields], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = " ".join(done.stderr.strip().splitlines()[-1:])
        raise SetupError(f"LoadGen does not tell its seeds ({last}); install mlcommons-loadgen again.")
    return Seeds.parse_json(done.stdout, "LoadGen's seeds")
