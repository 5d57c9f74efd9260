"""The line by which editors check a file: it leads to the right schema, and the file is valid by it."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from weighbridge.core.models import read_data

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "weighbridge"
FILES = {
    "config": [ROOT / "config.yaml"],
    "config-overlay": [
        *sorted((ROOT / "config").glob("*.yaml")),
        *sorted((ROOT / "rehearsal").glob("*.yaml")),
        *sorted(PACKAGE.glob("benchmarks/*/demo/config*.yaml")),
    ],
    "sweep": sorted((ROOT / "sweeps").glob("*.yaml")),
    "workload": sorted((PACKAGE / "workloads").glob("*.yaml")),
}
CASES = [(schema, path) for schema, paths in FILES.items() for path in paths]


def schema_of(path: Path) -> Path:
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert found is not None, f"{path} has no line for editors"
    return (path.parent / found[1]).resolve()


@pytest.mark.parametrize(("name", "path"), CASES, ids=lambda value: getattr(value, "name", value))
def test_a_file_names_its_schema_and_is_valid_by_it(name: str, path: Path) -> None:
    schema = schema_of(path)
    assert schema == PACKAGE / "schemas" / f"{name}.schema.json"
    jsonschema.validate(read_data(path), json.loads(schema.read_text()))


@pytest.mark.parametrize(
    ("name", "data"), [("config-overlay", {"rond": 1}), ("sweep", {"levels": {"clsed": [1]}})]
)
def test_a_misspelt_key_is_seen_by_an_editor(name: str, data: dict[str, Any]) -> None:
    schema = json.loads((PACKAGE / "schemas" / f"{name}.schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


@pytest.mark.parametrize("name", FILES)
def test_every_key_says_what_it_is(name: str) -> None:
    schema = json.loads((PACKAGE / "schemas" / f"{name}.schema.json").read_text())
    parts = {"": schema} | schema["$defs"]
    silent = [
        f"{part}.{key}"
        for part, below in parts.items()
        for key, value in below.get("properties", {}).items()
        if not value.get("description", parts.get(value.get("$ref", "").rpartition("/")[2]))
    ]
    assert silent == []
