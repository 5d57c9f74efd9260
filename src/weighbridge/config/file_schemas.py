"""JSON Schemas of the files that users write besides config.yaml: overlays of it, workloads and sweeps.

python -m weighbridge.config.file_schemas FOLDER       write them (`make schema`)
"""

import json
import sys
from pathlib import Path
from typing import Any

from weighbridge.config.settings import Settings
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.core.models import Model

MODELS: dict[str, type[Model]] = {"config-overlay": Settings, "workload": Workload, "sweep": SweepSettings}
# What a file may leave out, because config.yaml or the file's own name says it; "": the whole file.
_LEFT_OUT: dict[str, tuple[str, ...]] = {
    "config-overlay": ("", "Artifacts", "ServerSettings", "SubmissionSettings"),
    "workload": (),
    "sweep": ("ServerSettings",),
}


def file_schemas() -> dict[str, str]:
    """Return the text of each schema by the name of its file."""
    return {
        f"{name}.schema.json": json.dumps(_schema(name, model), indent=2) + "\n"
        for name, model in MODELS.items()
    }


def _schema(name: str, model: type[Model]) -> dict[str, Any]:
    schema = model.model_json_schema()
    for part in _LEFT_OUT[name]:
        (schema["$defs"][part] if part else schema).pop("required", None)
    if name == "sweep":
        schema["required"].remove("name")
    return schema


if __name__ == "__main__":
    for name, text in file_schemas().items():
        (Path(sys.argv[1]) / name).write_text(text)
