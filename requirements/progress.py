"""Run a command that takes a while, and print how far it is. It needs no package, because it comes first.

    python requirements/progress.py TITLE COMMAND...

On a terminal it is one line that changes; elsewhere, a line every few seconds. What uv prints about downloads
is counted. The rest of what the command prints is shown only if it fails.
"""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

_LINE_EVERY_S = 5.0
_DRAW_EVERY_S = 0.2
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DOWNLOADING = re.compile(r"Downloading (\S+) \(([\d.]+)(KiB|MiB|GiB)\)")
_DOWNLOADED = re.compile(r" *Downloaded (\S+)")
_STAGES = (
    (re.compile(r"Resolved (\d+) packages?\b"), "downloading"),
    (re.compile(r"Prepared (\d+) packages?\b"), "unpacking"),
    (re.compile(r"Installed (\d+) packages?\b"), "compiling their bytecode"),
)
_INTERRUPTED = 130


class Progress:
    """What is known of a command's progress."""

    def __init__(self, title: str) -> None:
        """Begin; `title` says what is done."""
        self._title = title
        self._began_s = time.monotonic()
        self._stage, self._packages = "", 0
        self._sizes: dict[str, float] = {}
        self._here: set[str] = set()
        self.lines: list[str] = []

    def take(self, line: str) -> None:
        """Take in a line that the command prints."""
        self.lines.append(line)
        if found := _DOWNLOADING.match(line):
            self._sizes[found[1]] = float(found[2]) * _UNITS[found[3]]
        elif found := _DOWNLOADED.match(line):
            self._here.add(found[1])
        for pattern, stage in _STAGES:
            if found := pattern.match(line):
                self._stage, self._packages = stage, int(found[1])

    def text(self) -> str:
        """Return the progress in one line."""
        parts = [self._title]
        if self._stage:
            parts.append(f"{self._stage} ({self._packages} packages)")
        if self._sizes and self._stage == "downloading":
            here = sum(size for name, size in self._sizes.items() if name in self._here)
            parts.append(f"{here / 1e9:.1f} of {sum(self._sizes.values()) / 1e9:.1f} GB so far")
        return f"{', '.join(parts)}, {self._taken()}"

    def end(self) -> str:
        """Return the line that stays."""
        packages = f", {self._packages} packages" if self._packages else ""
        return f"{self._title}: done{packages}, {self._taken()}"

    def _taken(self) -> str:
        seconds = round(time.monotonic() - self._began_s)
        return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


def run(title: str, command: Sequence[str], out: TextIO) -> int:
    """Run a command, and print its progress; return its exit code."""
    progress = Progress(title)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, progress), daemon=True)
        reader.start()
        _show_while(reader, progress, title, out)
        code = process.wait()
    if code:
        out.write("".join(f"{line}\n" for line in progress.lines))
        out.write(f"make: {title}: failed with exit code {code}\n")
    else:
        out.write(f"make: {progress.end()}\n")
    out.flush()
    return code if code >= 0 else 128 - code


def _read(words: Iterable[str], progress: Progress) -> None:
    for line in words:
        progress.take(line.rstrip("\n"))


def _show_while(reader: threading.Thread, progress: Progress, title: str, out: TextIO) -> None:
    on_terminal = out.isatty()
    said_s = time.monotonic()
    if not on_terminal:
        out.write(f"make: {title}\n")
        out.flush()
    while reader.is_alive():
        reader.join(_DRAW_EVERY_S)
        if on_terminal:
            out.write(f"\r\033[Kmake: {progress.text()}")
        elif reader.is_alive() and time.monotonic() - said_s >= _LINE_EVERY_S:
            said_s = time.monotonic()
            out.write(f"make: {progress.text()}\n")
        out.flush()
    if on_terminal:
        out.write("\r\033[K")


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1], sys.argv[2:], sys.stdout))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
