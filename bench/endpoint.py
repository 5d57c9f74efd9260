"""Compile and start the endpoint in C (endpoint.c), whose cost no client shares, and read what it noted.

    python bench/endpoint.py [--delay-ms 0] [--tokens 128] [--waves-ms 10 | --poisson 10000] [--ahead 0] ...

starts it by hand, until Ctrl-C; the options are those of endpoint.c.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from compiled import compiled
from numpy.typing import NDArray

SOURCE = Path(__file__).with_suffix(".c")
# `struct row` of endpoint_answers.h. sample: the number after "sample " near a body's start, -1 without one.
ROW = np.dtype([(name, "<i8") for name in ("sample", "arrived_ns", "first_ns", "last_ns", "chunks")])

Rows = NDArray[np.void]


@dataclass
class Endpoint:
    """A running endpoint; what it noted is there after its end.

    Attributes:
        url: Where it listens.
        pid: Its process, whose CPU is nobody's.
        rows: One a finished request, in the order of their ends: when it arrived, and when the first and the
            last chunk of its answer were sent (monotonic ns).
        noted: Chunks, how late they were against its own schedule, sends that a full socket held up.
    """

    url: str
    pid: int
    rows: Rows = field(default_factory=lambda: np.empty(0, ROW))
    noted: dict[str, float] = field(default_factory=dict)


@contextmanager
def endpoint(**options: float | str) -> Iterator[Endpoint]:
    """Run the endpoint in a process of its own; options as those of endpoint.c, such as waves_ms=10."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "rows"
        command = [str(compiled(SOURCE)), "--log", str(log)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            running = Endpoint(process.stdout.readline().strip(), process.pid)
            try:
                yield running
            finally:
                process.terminate()
                last = process.stdout.read()
        running.rows = np.fromfile(log, ROW)
        running.noted = json.loads(last)


if __name__ == "__main__":
    os.execv(compiled(SOURCE), [str(SOURCE), *sys.argv[1:]])
