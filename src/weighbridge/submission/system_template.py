"""The beginning of a system.yaml: what this machine tells of itself, and what its owner must state."""

import json

import yaml

from weighbridge.submission.system_description import required_fields
from weighbridge.system.detection import detect


def starting_description() -> str:
    """Write the beginning of a system.yaml: what is detected here, then what remains to be stated."""
    detected = detect()
    known = yaml.safe_dump(detected, allow_unicode=True, sort_keys=True, width=1000)
    from_elsewhere = {"division", "submitter", "system_name", "framework"}
    examples = {
        name: field.example
        for name, field in required_fields().items()
        if name not in detected and name not in from_elsewhere
    }
    missing = "".join(f"{name}:   # such as {json.dumps(example)}\n" for name, example in examples.items())
    return (
        "# Detected here, and recorded by every run; a value that is stated covers it.\n"
        f"{_commented(known)}\n# To be stated by you.\n{missing}"
    )


def _commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.splitlines())
