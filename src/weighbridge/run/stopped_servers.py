"""Servers of ours that a signal has stopped: they live, and do not answer until somebody continues them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic

from weighbridge.client.liveness import StoppedProcesses, Trouble, TroubleLog
from weighbridge.client.sample_counts import Observe, SampleCounts
from weighbridge.core.proc import below

_LOOK_EVERY_S = 1.0
_LIST_EVERY_S = 5.0  # engines start while a server starts, and seldom later


class StoppedServers:
    """Looks at servers and all processes that they started."""

    def __init__(self, pids: Sequence[int]) -> None:
        """Watch servers, given by their process ids; none where the user runs them."""
        self._servers = pids
        self._stopped, self._log = StoppedProcesses(), TroubleLog()
        self._names: dict[int, str] = {}
        self._looked_s = self._listed_s = -_LIST_EVERY_S
        self._found: Trouble | None = None

    def look(self) -> Trouble | None:
        """Return the trouble of a stopped server, as of the last second."""
        now = monotonic()
        if self._servers and now - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now
            if now - self._listed_s >= _LIST_EVERY_S:
                self._listed_s, self._names = now, self._list()
            self._found = self._stopped.look(self._names)
            self._log.note(self._found)
        return self._found

    def beside(self, show: Callable[[SampleCounts], None], watch: Observe | None) -> Observe:
        """Return what shows the counts of a run with this trouble, and ends the run for it or for `watch`."""

        def observe(counts: SampleCounts) -> str | None:
            found = self.look()
            show(counts if found is None else replace(counts, trouble=counts.trouble or str(found)))
            if found is not None and found.over:
                return found.sentence
            return watch(counts) if watch is not None else None

        return observe

    def _list(self) -> dict[int, str]:
        names: dict[int, str] = {}
        for number, pid in enumerate(self._servers):
            name = "the server" if len(self._servers) == 1 else f"server {number}"
            names |= dict.fromkeys((pid, *below(pid)), name)
        return names
