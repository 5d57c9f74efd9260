#!/usr/bin/env python3
"""Complete each environment: below the packages that its rules import, pin all those that they need.

Run by `make lock`. Versions come from the lock that an environment's second line names, so that a package has
one version everywhere. uv resolves which packages are needed, for the environment's own Python on Linux.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDED = "      # What these need, from `make lock`.\n"


def lock_of(environment: str) -> Path:
    """Return the lock that an environment takes its versions from."""
    [name] = re.findall(r"^# Versions are those of (requirements/[\w.-]+\.lock)", environment, re.MULTILINE)
    return ROOT / name


def complete(environment: str) -> str:
    """Return an environment with its own packages in their locked versions, then all that these need."""
    own = environment.split(NEEDED)[0]
    names = re.findall(r"^      - (\S+)==\S+$", own, re.MULTILINE)
    [python] = re.findall(r"^  - python=(\S+)$", own, re.MULTILINE)
    command = ["uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
    command += ["--constraint", str(lock_of(environment))]
    answer = subprocess.run(command, input="\n".join(names), text=True, capture_output=True, check=False)
    if answer.returncode != 0:
        raise SystemExit(answer.stderr)
    versions = dict(re.findall(r"^(\S+)==(\S+)", answer.stdout, re.MULTILINE))
    head = own[: own.index("  - pip:\n") + len("  - pip:\n")]
    needed = sorted(versions.keys() - set(names))
    pins = [[f"      - {name}=={versions[name]}\n" for name in group] for group in (names, needed)]
    return head + "".join(pins[0]) + NEEDED + "".join(pins[1])


for path in sorted(Path(__file__).parent.glob("*.yaml")):
    path.write_text(complete(path.read_text()))
