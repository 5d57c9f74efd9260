"""Start a simulated server of known speed in a process of its own."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

from weighbridge.simulate.behaviour import Behaviour

CODE = """
import json, sys
from weighbridge.simulate.responses import Answers
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.simulated_server import serve
behaviour = Behaviour.parse_json(sys.argv[1], "test")
texts = {int(key): tuple(value) for key, value in json.loads(sys.argv[2]).items()}
serve(behaviour, Answers("tiny", texts), ready=lambda url: print(url, flush=True))
"""


@contextlib.contextmanager
def simulated(behaviour: Behaviour, texts: dict[int, tuple[str, str]] | None = None) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, behaviour.model_dump_json(), json.dumps(texts or {})],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stdout.close()
