"""Run an official tool as it is, and record its log and its end as data.

    python -m weighbridge.submission.checker.recorded_tool RECORDS MODULE ARGUMENTS...

The tools log through Python's logging, so a handler of ours receives each message with its level, the check
that logged it and its arguments (of which one is the file), and no text has to be parsed. RECORDS gets a JSON
object a line: a `Message`, or at last a `Crash`.
"""

import logging
import runpy
import sys
from pathlib import Path
from typing import TextIO

from pydantic import Field

from weighbridge.core.models import Model

CRASH_CODE = 70


class Message(Model):
    """One message of a tool's log."""

    level: int = Field(description="As Python's logging counts: 30 a warning, 40 an error.")
    check: str = Field(description="Module and function that logged it: 'performance_check.latency_check'.")
    text: str
    arguments: tuple[str, ...] = Field(description="What the tool put into the text.")


class Crash(Model):
    """An exception that ended a tool."""

    crash: str = Field(description="Its type and text.")


class RecordHandler(logging.Handler):
    """Writes each log message to a stream as JSON."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message. A message that the tool formats wrongly must not end the tool."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = f"{record.msg} {arguments}"
        self.write(
            Message(
                level=record.levelno,
                check=f"{record.module}.{record.funcName}",
                text=text,
                arguments=tuple(map(str, arguments)),
            )
        )

    def write(self, entry: Message | Crash) -> None:
        """Write an entry, so that it is there even if the tool is killed."""
        self._stream.write(entry.model_dump_json() + "\n")
        self._stream.flush()


def main(records: str, module: str, *arguments: str) -> None:
    """Run a module as a program.

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
