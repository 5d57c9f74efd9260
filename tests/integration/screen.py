"""A terminal of our own: a program runs on it, and a test reads what a person would have seen."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Sequence

_CONTROL = re.compile(r"\x1b\[(\?25[lh]|[\d;]*m|(\d*)A|2K)|\r|\n|[^\x1b\r\n]+")
_ROWS = 40
_STILL_S = 0.05


class Screen:
    """Lines, and what rewrites them: carriage return, line feed, cursor up, erase line; colours are dropped.

    Attributes:
        lines: All that was ever printed and not erased.
        cursor_hidden: Whether the program has hidden the cursor.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines = [""]
        self.cursor_hidden = False
        self._row = self._column = 0

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).strip()

    def write(self, text: str) -> None:
        """Take what a program prints; anything that is not known here is an error."""
        end = 0
        for found in _CONTROL.finditer(text):
            assert found.start() == end, f"not understood: {text[end : end + 20]!r}"
            end = found.end()
            self._take(found)
        assert end == len(text), f"not understood: {text[end : end + 20]!r}"

    def _take(self, found: re.Match[str]) -> None:
        token = found[0]
        if token == "\r":
            self._column = 0
        elif token == "\n":
            self._next_row()
        elif token.endswith("A"):
            self._row -= int(found[2] or 1)
            assert self._row >= 0, "above the first line"
        elif token == "\x1b[2K":
            self.lines[self._row] = ""
        elif token.startswith("\x1b[?25"):
            self.cursor_hidden = token.endswith("l")
        elif not token.startswith("\x1b"):
            self._print(token)

    def _next_row(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    def _print(self, text: str) -> None:
        while text:
            if self._column == self.columns:
                self._next_row()
                self._column = 0
            part, text = text[: self.columns - self._column], text[self.columns - self._column :]
            line = self.lines[self._row].ljust(self._column)
            end = self._column + len(part)
            self.lines[self._row] = line[: self._column] + part + line[end:]
            self._column = end


class Seen:
    """What was seen of a program: its exit code, the last screen, and each that stood still for a moment."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int,
        started: Callable[[int], None] | None = None,
        screens: list[str] | None = None,
        **environment: str,
    ) -> None:
        """Run a program to its end on a terminal.

        Args:
            command: The program and its arguments.
            columns: Width of the terminal.
            started: Called with the program's process number.
            screens: Filled with the screens as they come, for tests that wait for one.
            environment: Variables added to the program's environment.
        """
        screen = Screen(columns)
        self.screens: list[str] = [] if screens is None else screens
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
        known = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=known | {"TERM": "xterm-256color"} | environment,
        ) as process:
            os.close(theirs)
            if started is not None:
                started(process.pid)
            self.raw, unfinished = "", b""
            while data := _read(ours):
                text, unfinished = _decoded(unfinished + data)
                self.raw += text
                screen.write(text)
                # A write may come in parts; a person sees what stands still.
                if not select.select([ours], [], [], _STILL_S)[0]:
                    self.screens.append(screen.text)
        os.close(ours)
        self.code, self.last, self.cursor_hidden = process.returncode, screen.text, screen.cursor_hidden


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the program has ended
        return b""


def _decoded(data: bytes) -> tuple[str, bytes]:
    """Decode all but what is torn at the end: a character, an escape sequence."""
    torn = re.search(rb"(\x1b[^A-Za-z]*|[\xc0-\xff][\x80-\xbf]*)$", data)
    if torn and torn[0][:1] != b"\x1b" and _is_whole(torn[0]):
        torn = None
    end = torn.start() if torn else len(data)
    return data[:end].decode(), data[end:]


def _is_whole(character: bytes) -> bool:
    try:
        return bool(character.decode())
    except UnicodeDecodeError:
        return False
