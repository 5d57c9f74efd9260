"""Notice what lives and does nothing: processes that are stopped or stuck, servers that no longer answer.

Each trouble is told soon, and ends the run after a limit.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from weighbridge.core.proc import is_stopped

log = logging.getLogger(__name__)

TOLD_AFTER_S = 15.0
ENDED_AFTER_S = 30.0
"""Limit for processes that are started here; for the answers of a server it is client.stall_limit_s."""
_START_LIMIT_S = 300.0  # of LoadGen's process and the workers: interpreters on a cold, shared file system


@dataclass(frozen=True)
class Trouble:
    """Something that should go on and does not.

    Attributes:
        sentence: What, and for how long; the reason if it ends the run.
        limit: When it ends the run, for a sentence.
        over: Whether that time has come.
    """

    sentence: str
    limit: str
    over: bool

    def __str__(self) -> str:
        return f"{self.sentence}; the run ends after {self.limit} of it"


def trouble_of(
    what: str, for_s: float, limit_s: float, told_after_s: float, named: str = ""
) -> Trouble | None:
    """Return a trouble that has lasted for a time; None where it is too early to tell it."""
    if for_s < min(told_after_s, limit_s):
        return None
    limit = f"{limit_s:g} s{f' ({named})' if named else ''}"
    return Trouble(f"{what} for {for_s:.0f} s", limit, for_s >= limit_s)


class StoppedProcesses:
    """Since when processes are stopped, as by SIGSTOP or Ctrl-Z: seen at once, told at once."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since_s: dict[int, float] = {}

    def look(self, pids: Mapping[int, str]) -> Trouble | None:
        """Return the trouble of the longest stopped of these processes, which are given with their names."""
        now, before = self._clock(), self._since_s
        self._since_s = {pid: before.get(pid, now) for pid in pids if is_stopped(pid)}
        if not self._since_s:
            return None
        pid = min(self._since_s, key=self._since_s.__getitem__)
        what = f"{pids[pid]} (process {pid}) has been stopped by a signal, such as SIGSTOP,"
        return trouble_of(what, now - self._since_s[pid], ENDED_AFTER_S, 0.0)


class TroubleLog:
    """Logs when a trouble begins and when it is over, and nothing in between."""

    def __init__(self) -> None:
        self._lasts = False

    def note(self, found: Trouble | None) -> None:
        """Log a change since the last look."""
        if found is not None and not self._lasts:
            log.warning("%s", found)
        elif found is None and self._lasts:
            log.info("the run goes on again")
        self._lasts = found is not None


class Watchdog:
    """The signs of life of a run's own processes, and of the servers by their answers.

    Attributes:
        quiet_s: Seconds since the last answer while requests are open, as of the last look.
    """

    def __init__(
        self,
        driver: str,
        pids: Mapping[int, str],
        stall_limit_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Watch processes.

        Args:
            driver: How people call the driver's process, such as LoadGen's process.
            pids: All processes, the driver's too, with their names.
            stall_limit_s: How long open requests may go without any answer.
            clock: Monotonic seconds.
        """
        self.quiet_s = 0.0
        self._driver, self._pids, self._stall_limit_s, self._clock = driver, pids, stall_limit_s, clock
        self._stopped, self._log = StoppedProcesses(clock), TroubleLog()
        self._heard_s = clock()
        self._reported = False
        self._open = 0
        self._quiet_s = self._longest_quiet_s = 0.0
        self._silent_s: Sequence[float] = ()

    def heard(self) -> None:
        """Note that the driver has said something."""
        self._heard_s = self._clock()

    def report(self, requests_open: int, quiet_s: float, silent_s: Sequence[float]) -> None:
        """Note the driver's report.

        Args:
            requests_open: Requests issued and not ended.
            quiet_s: Since the last answer; 0 while none is open.
            silent_s: Since the last word of each worker.
        """
        if quiet_s < self._quiet_s:
            self._longest_quiet_s = max(self._longest_quiet_s, self._quiet_s)
        self._reported = True
        self._open, self._quiet_s, self._silent_s = requests_open, quiet_s, silent_s

    def look(self) -> Trouble | None:
        """Return the trouble that ends the run, or else the first that is to be told; log where it begins."""
        self.quiet_s = self._quiet_s + (self._clock() - self._heard_s if self._open else 0.0)
        found = list(self._troubles())
        first = next((trouble for trouble in found if trouble.over), next(iter(found), None))
        self._log.note(first)
        return first

    def _troubles(self) -> Iterator[Trouble]:
        """Yield what there is; a process that is stopped or silent explains what else is not heard of."""
        since_s = self._clock() - self._heard_s
        if self._reported:
            what, limit_s = f"{self._driver} has given no sign of life", ENDED_AFTER_S
        else:
            what, limit_s = f"{self._driver} or a worker has been starting", _START_LIMIT_S
        cause = self._stopped.look(self._pids) or trouble_of(what, since_s, limit_s, TOLD_AFTER_S)
        if cause is not None:
            yield cause
            return
        candidates = [
            trouble_of(
                f"worker {number} has given no sign of life", silent_s + since_s, ENDED_AFTER_S, TOLD_AFTER_S
            )
            for number, silent_s in enumerate(self._silent_s)
        ]
        # Where answers take long, as one request after another of 20 s, that much silence is no news.
        told_after_s = max(TOLD_AFTER_S, 2 * self._longest_quiet_s)
        what = f"no answer to any of {self._open} open requests"
        candidates.append(
            trouble_of(what, self.quiet_s, self._stall_limit_s, told_after_s, "client.stall_limit_s")
        )
        yield from filter(None, candidates)
