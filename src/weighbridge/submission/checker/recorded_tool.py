"""Run an official tool unchanged, and record its log messages, its checks and its exception as JSON lines.

    python -m weighbridge.submission.checker.recorded_tool RECORDS MODULE ARGUMENTS...

The tools use Python's logging, so a handler receives each message with its level, the function that logged it
and its arguments, one of which is the file; no text has to be parsed. Both tools check in functions that have
"check" in their names and return whether the check passed (the new one in methods that `BaseCheck.run_checks`
calls, the old one in functions of its module); the interpreter's profile hook sees them called and returning.
Each line of RECORDS is a `LogMessage`, a `CheckCall` or, at the end, a `Crash`.
"""

import logging
import runpy
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, TextIO

from pydantic import Field

from weighbridge.core.models import Model

CRASH_CODE = 70
# Names of arguments and variables in which the tools keep the path that they check; the most precise first.
_PATH_NAMES = (
    "fname",
    "path",
    "measurement_dir",
    "system_id_json",
    "name",
    "benchmark_path",
    "system_json_path",
)


class LogMessage(Model):
    """One message of a tool's log."""

    level: int = Field(description="Level of Python's logging: 30 is a warning, 40 an error.")
    check: str = Field(description="Module and function that logged it: 'performance_check.latency_check'.")
    text: str
    arguments: tuple[str, ...] = Field(description="Values that the tool formatted into the text.")
    call: int | None = Field(default=None, description="Number of the innermost check that was running.")
    raised: str = Field(default="", description="The exception that the tool was handling; empty: none.")
    raised_in: tuple[str, ...] = Field(default=(), description="Where it was raised, innermost first.")


class CheckCall(Model):
    """One run of a check during which something was logged."""

    call: int = Field(description="Its number, which its messages name.")
    function: str = Field(description="Module and function: 'performance_check.latency_check'.")
    path: str = Field(description="What it checks, if it says so; otherwise empty.")
    passed: bool | None = Field(description="Null: it returned no verdict. An exception is false.")


class Crash(Model):
    """The exception that ended a tool."""

    crash: str = Field(description="Its type and text.")
    raised_in: tuple[str, ...] = Field(default=(), description="Where it was raised, innermost first.")
    path: str = Field(default="", description="What was read or checked there, if known.")


class CheckWatch:
    """Follow the calls of a tool's checks; set as the interpreter's profile hook."""

    def __init__(self, folder: str, write: Callable[[CheckCall], None]) -> None:
        self._folder = folder
        self._write = write
        self._open: list[tuple[FrameType, int, str]] = []
        self._with_messages: set[int] = set()
        self._count = 0

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        """Handle one event of the interpreter: a call or return of any function."""
        if event == "call":
            if "check" in frame.f_code.co_name and is_in(frame.f_code, self._folder):
                self._count += 1
                self._open.append((frame, self._count, path_of(frame)))
        elif event == "return" and self._open and self._open[-1][0] is frame:
            _, call, path = self._open.pop()
            if call in self._with_messages:
                name = name_of(frame.f_code)
                self._write(CheckCall(call=call, function=name, path=path, passed=_verdict(value)))

    def note_message(self) -> int | None:
        """Return the number of the innermost open check, which a message now belongs to."""
        if not self._open:
            return None
        call = self._open[-1][1]
        self._with_messages.add(call)
        return call


def _verdict(value: object) -> bool | None:
    """Return what a check's returned value says; None is what the hook sees of an exception."""
    if value is None:
        return False
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, bool) else None


def is_in(code: CodeType, folder: str) -> bool:
    """Return whether a function is of the tool in the folder."""
    return code.co_filename.startswith(folder)


def name_of(code: CodeType) -> str:
    """Return a function's module and name, in the form that logging uses."""
    return f"{Path(code.co_filename).stem}.{code.co_name}"


def path_of(frame: FrameType) -> str:
    """Return the path that a function of a tool checks or reads; "" if it has none."""
    known = [frame.f_locals.get(name) for name in _PATH_NAMES]
    known.append(getattr(frame.f_locals.get("self"), "path", None))
    return next((path for path in known if isinstance(path, str)), "")


class RecordHandler(logging.Handler):
    """Write each log message to a stream as JSON."""

    def __init__(self, stream: TextIO, folder: str) -> None:
        super().__init__()
        self._stream = stream
        self._folder = folder
        self.watch = CheckWatch(folder, self.write)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; a formatting error of the tool must not end it."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = f"{record.msg} {arguments}"
        error = sys.exception()
        self.write(
            LogMessage(
                level=record.levelno,
                check=f"{record.module}.{record.funcName}",
                text=text,
                arguments=tuple(map(str, arguments)),
                call=self.watch.note_message() if record.levelno >= logging.WARNING else None,
                raised=described(error) if error else "",
                raised_in=names_of(frames_of(error, self._folder)),
            )
        )

    def write(self, entry: LogMessage | CheckCall | Crash) -> None:
        """Write and flush an entry, so that it is kept if the tool is killed."""
        self._stream.write(entry.model_dump_json() + "\n")
        self._stream.flush()


def described(error: BaseException) -> str:
    """Return an exception's type and text."""
    return f"{type(error).__name__}: {error}"


def frames_of(error: BaseException | None, folder: str) -> list[FrameType]:
    """Return the tool's functions that an exception passed through, innermost first."""
    frames = []
    step: TracebackType | None = error.__traceback__ if error else None
    while step is not None:
        if is_in(step.tb_frame.f_code, folder):
            frames.append(step.tb_frame)
        step = step.tb_next
    return frames[::-1]


def names_of(frames: Iterable[FrameType]) -> tuple[str, ...]:
    """Return the module and name of each function."""
    return tuple(name_of(frame.f_code) for frame in frames)


def main(records: str, module: str, *arguments: str) -> None:
    """Run a module as a program, and record its log and its checks.

    Raises:
        SystemExit: with the tool's own exit code, or `CRASH_CODE` where an exception ended it.
    """
    folder = str(Path.cwd())  # now: the old tool changes into the tree
    with Path(records).open("w", encoding="utf-8", errors="backslashreplace") as stream:
        handler = RecordHandler(stream, folder)
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        sys.argv = [module, *arguments]
        sys.setprofile(handler.watch)
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except Exception as error:
            frames = frames_of(error, folder)
            crash = Crash(
                crash=described(error),
                raised_in=names_of(frames),
                path=next(filter(None, map(path_of, frames)), ""),
            )
            handler.write(crash)
            sys.exit(CRASH_CODE)
        finally:
            sys.setprofile(None)


if __name__ == "__main__":
    main(*sys.argv[1:])
