"""Run an official tool unchanged, and record its log messages and its exception as JSON lines.

    python -m weighbridge.submission.checker.recorded_tool RECORDS MODULE ARGUMENTS...

The tools use Python's logging, so a handler receives each message with its level, the function that logged it
and its arguments, one of which is the file; no text has to be parsed. Each line of RECORDS is a `LogMessage`
or, at the end, a `Crash`.
"""

import logging
import runpy
import sys
from pathlib import Path
from typing import TextIO

from pydantic import Field

from weighbridge.core.models import Model

CRASH_CODE = 70


class LogMessage(Model):
    """One message of a tool's log."""

    level: int = Field(description="Level of Python's logging: 30 is a warning, 40 an error.")
    check: str = Field(description="Module and function that logged it: 'performance_check.latency_check'.")
    text: str
    arguments: tuple[str, ...] = Field(description="Values that the tool formatted into the text.")


class Crash(Model):
    """The exception that ended a tool."""

    crash: str = Field(description="Its type and text.")


class RecordHandler(logging.Handler):
    """Write each log message to a stream as JSON."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; a formatting error of the tool must not end it."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = f"{record.msg} {arguments}"
        self.write(
            LogMessage(
                level=record.levelno,
                check=f"{record.module}.{record.funcName}",
                text=text,
                arguments=tuple(map(str, arguments)),
            )
        )

    def write(self, entry: LogMessage | Crash) -> None:
        """Write and flush an entry, so that it is kept if the tool is killed."""
        self._stream.write(entry.model_dump_json() + "\n")
        self._stream.flush()


def main(records: str, module: str, *arguments: str) -> None:
    """Run a module as a program, and record its log.

    Raises:
        SystemExit: with the tool's own exit code, or `CRASH_CODE` where an exception ended it.
    """
    with Path(records).open("w", encoding="utf-8", errors="backslashreplace") as stream:
        handler = RecordHandler(stream)
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        sys.argv = [module, *arguments]
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except Exception as error:
            handler.write(Crash(crash=f"{type(error).__name__}: {error}"))
            sys.exit(CRASH_CODE)


if __name__ == "__main__":
    main(*sys.argv[1:])
