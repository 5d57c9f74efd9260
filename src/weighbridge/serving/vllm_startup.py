"""What a server is busy with while it starts, in words, as far as its log tells.

The wordings are those of vLLM 0.12, on GPUs and on CPUs; another server's last line is shown as it stands.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_LONGEST = 100
# A worker's name, level, time and place before each message, and colours.
_PREFIX = re.compile(
    r"^(\x1b\[[\d;]*m|\(\w+ pid=\d+\)|(DEBUG|INFO|WARNING|ERROR)[: ]"
    r"|\d\d-\d\d \d\d:\d\d:\d\d|\[[\w.]+:\d+\]|\s)*"
)
# How a message begins, and what it means. Both tqdm's bars and ordinary lines are looked at.
_STAGES = tuple(
    (re.compile(beginning), words)
    for beginning, words in (
        (r"vLLM API server version", "reading its settings"),
        (r"Resolved architecture:|Using max model len", "reading the model's configuration"),
        (r"Initializing a V1 LLM engine", "starting the engine"),
        (r"world_size=\d+ rank=|rank \d+ in world size", "connecting the engine's processes"),
        (r"Starting to load model", "loading weights"),
        (
            r"(?:Loading|Multi-thread loading) [^:|]*: +(\d+)% Completed \| (\d+)/(\d+) \[",
            r"loading weights: \2 of \3 (\1 %)",
        ),
        (r"Loading weights took|Model loading took", "loading weights: all read"),
        (r"Encoder cache will be initialized|torch\.compile takes", "profiling memory"),
        (
            r"Using cache directory: .* for vLLM's torch\.compile|vLLM's torch\.compile cache is disabled"
            r"|Dynamo bytecode transform|Cache the graph|Compiling a graph|Directly load the compiled graph",
            "compiling (torch.compile)",
        ),
        (r"Available KV cache memory: ([\d.]+ GiB)", r"making the KV cache: \1"),
        (r"GPU KV cache size: ([\d,]+) tokens", r"making the KV cache: \1 tokens"),
        (r"Warming up |Compile and warming up", "warming up kernels"),
        (
            r"Capturing CUDA graphs \(([\w -]+?), \w+\): .*?\| (\d+)/(\d+) ",
            r"capturing CUDA graphs, \1: \2 of \3",
        ),
        (r"Capturing CUDA graphs: .*?\| (\d+)/(\d+) ", r"capturing CUDA graphs: \1 of \2"),
        (r"Graph capturing finished", "capturing CUDA graphs: all captured"),
        (r"init engine ", "the engine is ready"),
        (
            r"Starting vLLM API server|Started server process|Waiting for application startup",
            "starting the API server",
        ),
        (r"Application startup complete", "the API server has started"),
    )
)


class Startup:
    """The start of one server or several."""

    def __init__(self, endpoints: Sequence[str], logs: Mapping[str | None, Path]) -> None:
        """Take the endpoints in order, and the logs of those that were started here."""
        self._endpoints = tuple(endpoints)
        self._logs = {endpoint: StartupLog(logs[endpoint]) for endpoint in endpoints if endpoint in logs}

    def stage(self, waiting: Sequence[str]) -> str:
        """Say what the first of those that do not answer yet is busy with, and which it is."""
        first = waiting[0]
        log = self._logs.get(first)
        stage = (log.stage() or "no word yet") if log else f"no answer from {first}"
        if len(self._endpoints) == 1:
            return stage
        ready = len(self._endpoints) - len(waiting)
        return f"{ready} of {len(self._endpoints)} ready; server {self._endpoints.index(first)}: {stage}"


class StartupLog:
    """The log of a server that starts, read as it grows."""

    def __init__(self, path: Path) -> None:
        """Take the log's place; it need not be there yet."""
        self._path = path
        self._read = 0
        self._unfinished = b""
        self._stage = self._last_line = ""

    def stage(self) -> str:
        """Say what the server does now: its stage, or else its last line; "" where it has said nothing."""
        lines = [_PREFIX.sub("", line).strip() for line in self._new_lines()]
        for message in lines:
            self._stage = _stage(message) or self._stage
        # The last of them is not yet finished; a bar is, when all but its end of line is there.
        self._last_line = next(filter(None, reversed(lines[:-1])), self._last_line)
        return self._stage or textwrap.shorten(self._last_line, _LONGEST, placeholder=" ...")

    def _new_lines(self) -> Iterator[str]:
        """Yield what was added since the last look; a progress bar ends its lines with carriage returns."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._read)
                added = stream.read()
        except OSError:
            return
        self._read += len(added)
        *lines, self._unfinished = re.split(rb"[\r\n]", self._unfinished + added)
        for line in (*lines, self._unfinished):
            yield line.decode(errors="replace")


def _stage(message: str) -> str | None:
    for beginning, words in _STAGES:
        if found := beginning.match(message):
            return found.expand(words)
    return None
