"""What each contender of a comparison costs: the CPU of its whole process tree, in interleaved rounds.

What counts lies between the first request that the client issues and the last answer that it has read, as the
client itself notes them. Where it does not, it is what the endpoint saw. What lies before and after (imports,
reading the requests, reports) is stated apart.
"""

import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns

import numpy as np

Figures = dict[str, float]
Summary = dict[str, dict[str, float]]  # value -> its median, min and max

_LOOK_EVERY_S = 0.02
_MEMORY_EVERY = 25  # looks
_TICKS = os.sysconf("SC_CLK_TCK")
_NS = 1_000_000_000


class CannotRunError(Exception):
    """A contender cannot run on this machine, or failed; the message says why."""


@dataclass
class Spent:
    """What one process and all its descendants used.

    Attributes:
        looks: Monotonic ns and the CPU seconds until then.
        total_s: CPU seconds from start to end.
        private_bytes: The largest sum of private memory that was seen, without clean pages of files.
        lines: What it printed, each line with the monotonic ns at which it came.
    """

    looks: list[tuple[int, float]] = field(default_factory=list)
    total_s: float = 0.0
    private_bytes: int = 0
    lines: list[tuple[int, str]] = field(default_factory=list)

    @property
    def output(self) -> str:
        """All that it printed."""
        return "".join(line for _, line in self.lines)

    def printed_ns(self, start: str) -> int | None:
        """Return when the first line that begins so was printed."""
        return next((when for when, line in self.lines if line.startswith(start)), None)

    def between(self, start_ns: int, end_ns: int) -> float:
        """Return the CPU seconds between two moments, interpolated between the looks around them."""
        times, spent = zip(*self.looks, strict=True)
        return float(np.interp(end_ns, times, spent) - np.interp(start_ns, times, spent))


def spent_by(command: Sequence[str], *, limit_s: float = 600, **options: object) -> Spent:
    """Run a command to its end, and watch what its tree uses.

    Raises:
        CannotRunError: it failed, or did not end within the limit.
    """
    spent, ended = Spent(), threading.Event()
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, **options)  # type: ignore[call-overload]
        limit = threading.Timer(limit_s, process.kill)
        watcher = threading.Thread(target=_watch, args=(process.pid, spent, ended))
        limit.start()
        watcher.start()
        try:
            spent.lines += ((monotonic_ns(), line) for line in process.stdout)
            process.wait()
        finally:
            process.kill()
            ended.set()
            watcher.join()
            limit.cancel()
        errors.seek(0)
        said = errors.read().strip() or spent.output.strip() or "it said nothing"
    if process.returncode != 0:
        over = f" (the limit is {limit_s:.0f} s)" if process.returncode == -signal.SIGKILL else ""
        last = said.splitlines()[-1][:300]
        raise CannotRunError(f"it ended with exit code {process.returncode}{over}: {last}")
    return spent


def _watch(pid: int, spent: Spent, ended: threading.Event) -> None:
    turn = 0
    while not ended.wait(_LOOK_EVERY_S):
        pids = _tree(pid)
        cpu_s = sum(map(_cpu_s, pids))
        # A process that has just ended is in no sum until its parent has waited for it.
        spent.total_s = max(spent.total_s, cpu_s)
        spent.looks.append((monotonic_ns(), spent.total_s))
        if turn % _MEMORY_EVERY == 0:
            spent.private_bytes = max(spent.private_bytes, sum(map(_private_bytes, pids)))
        turn += 1


def _tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it has ended
    return found


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and of the children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def _private_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(kb) * 1024 for kb in re.findall(r"Private_Dirty:\s+(\d+) kB", text))


@dataclass
class Compared:
    """The contenders of one case: what was measured, and who could not run and why."""

    runs: dict[str, list[Figures]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Summary]:
        """Return the median, smallest and largest of each value of each contender."""
        return {name: summarise(runs) for name, runs in self.runs.items()}


def interleaved(
    title: str, contenders: Mapping[str, Callable[[], Figures]], rounds: int, once: Collection[str] = ()
) -> Compared:
    """Run each contender once a round, in another order each time, so that disturbances meet all alike.

    One that cannot run is named with its reason, and not tried again. Those named in `once` run in the first
    round only.
    """
    found: dict[str, list[Figures]] = defaultdict(list)
    missing: dict[str, str] = {}
    for turn in range(rounds):
        names = list(contenders)
        random.Random(turn).shuffle(names)
        for name in names:
            if name in missing or (turn and name in once):
                continue
            try:
                figures = contenders[name]()
            except CannotRunError as error:
                missing[name] = str(error)
                print(f"  {title}: {name}: {error}", file=sys.stderr, flush=True)
                continue
            found[name].append(figures)
            brief = " ".join(f"{key}={value:.4g}" for key, value in figures.items())
            print(f"  {title}, round {turn + 1}: {name}: {brief}", file=sys.stderr, flush=True)
    return Compared({name: found[name] for name in contenders if name in found}, missing)


def summarise(runs: Sequence[Figures]) -> Summary:
    """Return the median, smallest and largest of each value."""
    found: Summary = {}
    for key in dict.fromkeys(key for run in runs for key in run):
        values = [run[key] for run in runs if key in run]
        found[key] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return found
