"""A small finished run on a simulated server, which several test files look at and change copies of."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driver import BIN, Workflow

from weighbridge.serving.ports import free_ports

ROOT = Path(__file__).parents[2]
DONE = "Nothing to be done"


@contextmanager
def simulated_server(run: Path, port: int, **behaviour: object) -> Iterator[None]:
    """Answer the requests of a run directory's store from the dataset."""
    resources = run / "resources"
    command = [BIN / "weighbridge", "simulate", "--round", "demo"]
    command += ["--store", resources / "requests", "--dataset", resources / "dataset.json"]
    command += ["--prompt", ROOT / "demo" / "prompt.json", "--port", str(port)]
    command += ["--behaviour", json.dumps(behaviour)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class SmallRun:
    """A finished run directory, and the settings that made it."""

    def __init__(self, directory: Path, root: Path = ROOT, port: int | None = None) -> None:
        self.port = port or free_ports(1)[0]
        self.workflow = Workflow(root, directory)
        self.results = directory / "results"
        self.changes: dict[str, object] = {
            # The server answers from the requests, so it is started after the preflight.
            "server": {
                "endpoints": f"http://127.0.0.1:{self.port}",
                "endpoints_timeout_s": 60,
                "golden": None,
            },
            "scenarios": {"offline": {"target_qps": 40}, "server": {"target_qps": 50}},
        }

    def __call__(self, *arguments: str, **changes: object) -> str:
        answer = self.workflow(*arguments, **(self.changes | changes))
        assert answer.code == 0, answer.text
        return answer.text

    def copied_to(self, directory: Path, root: Path = ROOT) -> "SmallRun":
        shutil.copytree(self.workflow.directory, directory, symlinks=True)
        return SmallRun(directory, root, self.port)


def planned(text: str) -> dict[str, int]:
    """Read the jobs of a plan: rule, and how often."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def planned_runs(text: str) -> list[tuple[str, str]]:
    """Read which runs a plan would measure: scenario and run."""
    return sorted(re.findall(r"output: results/(\w+)/([\w-]+)/run\.json,", text))
