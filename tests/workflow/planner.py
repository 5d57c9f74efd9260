"""Dry runs by a Snakemake that is loaded once and forked for each: loading it takes most of a dry run's time.

Each runs the main program of Snakemake with its own command line, directory and environment, and loads the
package of its own checkout. What makes something is a command of its own (driver.py).
"""

import atexit
import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

# What a dry run loads of Snakemake, and what it loads of others for the package.
_LOADED = ("snakemake.cli", "snakemake.api", "snakemake.workflow", "snakemake.report.html_reporter")
_LOADED += ("docutils.core", "jinja2", "numpy", "PIL.Image", "psutil", "pydantic", "requests", "smart_open")


class Planner:
    """The loaded Snakemake, in a process that ends with this one."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        atexit.register(self._end)

    def plan(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
        """Run a command line of snakemake in a folder; return its exit code and what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile() as output:
            order = {"words": list(command), "folder": str(folder), "environment": environment}
            self._process.stdin.write(json.dumps(order | {"output": output.name}) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline()), Path(output.name).read_text()

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@functools.cache
def planner() -> Planner:
    """Return the one of this process."""
    return Planner()


def _become(order: dict[str, object]) -> NoReturn:
    """Be the command; its program's folder and PYTHONPATH come first, as Python has it."""
    words, environment = order["words"], order["environment"]
    assert isinstance(words, list)
    assert isinstance(environment, dict)
    output = os.open(str(order["output"]), os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(str(order["folder"]))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    packages = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [str(Path(words[0]).parent), *packages]
    from snakemake.cli import main

    main()
    sys.exit(0)


def serve() -> None:
    """Fork for each order, and answer with the exit code."""
    for module in _LOADED:
        importlib.import_module(module)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
