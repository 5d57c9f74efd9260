"""The JSON Schema of comparison.json.

python -m weighbridge.report.comparison_schema       print it (`make schema`)
"""

import json
import sys

from weighbridge.records.comparison import SweepComparison

_IDENTITY = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:weighbridge:schema:comparison:1",
}


def comparison_schema() -> str:
    """Return the schema as text."""
    schema = SweepComparison.model_json_schema(mode="serialization")
    return json.dumps(_IDENTITY | schema | {"title": "Weighbridge comparison"}, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(comparison_schema())
