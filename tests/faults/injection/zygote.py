"""A process that has imported what commands need, and forks for each: a run then costs half as much.

It reads one JSON object a line: arguments, environment, folder, files for the output. It answers with the
process id, then with the exit code (negative: the signal).
"""

import atexit
import contextlib
import importlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from injection.shim import State
from weighbridge.core.parent_death import die_with_parent

_MODULES = (
    "weighbridge.cli",
    "weighbridge.run.execute",
    "weighbridge.run.replaced",
    "weighbridge.monitor.reporter",
    "weighbridge.loadgen.loadgen_issuer",
    "weighbridge.benchmarks.rounds",
    "weighbridge.benchmarks.qwen3_vl.task",
    "weighbridge.benchmarks.qwen3_vl.scoring",
    "weighbridge.evaluation.evaluate",
    "weighbridge.gates",
    "weighbridge.submission",
    "weighbridge.submission.checker",
    "weighbridge.search.find_peak",
    "weighbridge.report.write_report",
    "weighbridge.requests.store",
    "weighbridge.artifacts.resolve",
    "weighbridge.core.dataset_files",
    "rich.console",
    "rich.table",
)


def main() -> None:
    """Serve until the input ends."""
    # Killed, whoever kills the tests: nothing of a run may outlive them.
    die_with_parent(int(os.environ["FAULTS_PARENT"]))
    for name in _MODULES:
        importlib.import_module(name)
    state = State(Path(os.environ["FAULTS_STATE"]))
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        zygote, child = os.getpid(), os.fork()
        if child == 0:
            _become(order, state, zygote)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        state.disarm()
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(order: dict[str, Any], state: State, zygote: int) -> None:
    """Run one command in this process, and end it as the interpreter would; never returns."""
    code = 1
    try:
        die_with_parent(zygote)
        os.setsid()
        os.chdir(order["folder"])
        os.environ.update(order["environment"])
        for fd, name in ((0, os.devnull), (1, order["stdout"]), (2, order["stderr"])):
            opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(opened, fd)
            os.close(opened)
        sys.argv = ["weighbridge", *order["arguments"]]
        from weighbridge.cli import main as command

        state.arm()
        command()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        _print_traceback()
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        _print_traceback()
        code = 120
    os._exit(code & 0xFF)


def _print_traceback() -> None:
    with contextlib.suppress(Exception):  # the standard streams may be what fails
        traceback.print_exc()


if __name__ == "__main__":
    main()
