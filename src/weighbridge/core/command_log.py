"""How the log of a command ends that failed: with its exit code, and the sentence that says why.

Snakemake, above all on a cluster, does not pass on the exit code of a job; what stands in the job's log does.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from weighbridge.core.secrets import MaskingFormatter

_CODE = "exit_code"  # of a log record
_STAMP = r"^\d\d:\d\d:\d\d [A-Z]+ "
_EXIT = re.compile(_STAMP + r"exit code (\d+)\n", re.MULTILINE)
_LAST_BYTES = 1 << 16
_TRACEBACK = "\nTraceback (most recent call last):"


@dataclass(frozen=True)
class CommandEnd:
    """The end of a command that failed.

    Attributes:
        code: Its exit code.
        sentence: Why it ended.
    """

    code: int
    sentence: str


class CommandLogFormatter(MaskingFormatter):
    """Formats the lines of a log file: before a record with an exit code comes a line that gives it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        text = super().format(record)
        code = getattr(record, _CODE, None)
        return (
            text if code is None else f"{self.formatTime(record, self.datefmt)} INFO exit code {code}\n{text}"
        )


def ending_with(code: int) -> dict[str, int]:
    """Return the `extra` of the log record that ends a program with an exit code."""
    return {_CODE: code}


def read_command_end(log: Path) -> CommandEnd | None:
    """Read how a command ended; None where its log does not say it: it lives, succeeded or was killed."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(log.stat().st_size - _LAST_BYTES, 0))
            text = stream.read().decode(errors="replace")
    except OSError:
        return None
    *_, last = [None, *_EXIT.finditer(text)]
    if last is None:
        return None
    sentence = re.sub(_STAMP, "", text[last.end() :].strip()).partition(_TRACEBACK)[0]
    return CommandEnd(int(last[1]), sentence)
