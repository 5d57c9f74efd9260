"""JSON Schemas of the files that describe workloads and sweeps.

python -m weighbridge.config.file_schemas FOLDER       write them (`make schema`)
"""

import json
import sys
from pathlib import Path

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.core.models import Model

MODELS: dict[str, type[Model]] = {"workload": Workload, "sweep": SweepSettings}


def file_schemas() -> dict[str, str]:
    """Return the text of each schema by the name of its file."""
    return {
        f"{name}.schema.json": json.dumps(model.model_json_schema(), indent=2) + "\n"
        for name, model in MODELS.items()
    }


if __name__ == "__main__":
    for name, text in file_schemas().items():
        (Path(sys.argv[1]) / name).write_text(text)
