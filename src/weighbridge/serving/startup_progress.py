"""The progress of starting servers, read from their logs."""

import re
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from weighbridge.serving.adapter import LogStages

_LONGEST_LINE = 100
_BEFORE = "starting"  # before the log announces a stage


class StartupProgress:
    """The progress of one or more starting servers."""

    def __init__(self, endpoints: Sequence[str], logs: Mapping[str | None, Path], stages: LogStages) -> None:
        """`logs` has the log of each endpoint that was started here."""
        self._endpoints = tuple(endpoints)
        self._logs = {
            endpoint: StartupLog(logs[endpoint], stages) for endpoint in endpoints if endpoint in logs
        }
        self._spent_s: dict[str, float] = {}
        self._since = (_BEFORE, time.monotonic())

    @property
    def spent_s(self) -> dict[str, float]:
        """Return the seconds of each stage until now, of the server that was the last at each moment."""
        return dict(self._spent_s)

    def stage(self, waiting: Sequence[str]) -> str:
        """Return what the first of the endpoints that do not answer yet is doing, for a person to read."""
        first = waiting[0]
        log = self._logs.get(first)
        stage = (log.stage() or "nothing logged yet") if log else f"no answer from {first}"
        self.account((log and log.announced) or _BEFORE)
        if len(self._endpoints) == 1:
            return stage
        ready = len(self._endpoints) - len(waiting)
        return f"{ready} of {len(self._endpoints)} ready; server {self._endpoints.index(first)}: {stage}"

    def account(self, stage: str) -> None:
        """Count the time since the last call as spent in the stage that was announced then."""
        now = time.monotonic()
        name, since_s = self._since
        self._spent_s[name] = self._spent_s.get(name, 0.0) + now - since_s
        # What follows are numbers: how much is loaded, how many graphs are captured.
        self._since = (re.split(r"[:,(]", stage)[0].strip(), now)


class StartupLog:
    """The log of one starting server, read as it grows."""

    def __init__(self, path: Path, stages: LogStages) -> None:
        """Remember where the log will be; it need not exist yet."""
        self._path, self._stages = path, stages
        self._read = 0
        self._unfinished = b""
        self._stage = self._last_line = ""

    @property
    def announced(self) -> str:
        """Return the stage that the log announced last; "" before the first."""
        return self._stage

    def stage(self) -> str:
        """Return the current stage, or else the last line; "" while the log is empty or missing."""
        messages = [self._stages.message(line) for line in self._new_lines()]
        for message in messages:
            self._stage = self._stages.stage(message) or self._stage
        # The last line is not yet finished. (A progress bar counts as finished without its end of line.)
        self._last_line = next(filter(None, reversed(messages[:-1])), self._last_line)
        return self._stage or textwrap.shorten(self._last_line, _LONGEST_LINE, placeholder=" ...")

    def _new_lines(self) -> Iterator[str]:
        """Yield what was added since the last call; a progress bar ends its lines with carriage returns."""
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
