"""Issues a run's conversations to the workers, and collects what becomes of them. One thread, one epoll."""

import os
import select
import socket
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from time import monotonic_ns

from weighbridge.client.conversation_schedule import TURN_BITS, ConversationSchedule, Issue
from weighbridge.client.driver_control import EARLY_LIMIT_S, PROGRESS_EVERY_S, tell
from weighbridge.client.driver_signs import Signs
from weighbridge.client.failure_limit import FailureLimit
from weighbridge.client.frames import ISSUE, OPEN_EARLY, RECORD, Message, RequestOutcome
from weighbridge.client.kernel_timer import KernelTimer
from weighbridge.client.outcome_files import OutcomeFiles
from weighbridge.client.worker_link import WorkerLink

_NS = 1_000_000_000
_PROGRESS_EVERY_NS = int(PROGRESS_EVERY_S * _NS)
_DONE = int(Message.DONE)  # finding a member of an enumeration is slow on Python 3.11


class WorkerLostError(Exception):
    """A worker ended before the run began; the argument says why, if that is known."""


class ConversationDriver:
    """The state of a run.

    Attributes:
        issued: Requests given to workers so far.
        completed: Requests that have ended, failures included.
        aborted: Why the run ended early, if it did.
        links: One a worker.
    """

    def __init__(
        self,
        schedule: ConversationSchedule,
        links: Sequence[WorkerLink],
        control: socket.socket,
        files: OutcomeFiles,
        limit: FailureLimit,
    ) -> None:
        """Use workers that are connected.

        Args:
            schedule: Says what is to be issued.
            links: One a worker.
            control: The socket to the parent, which orders the end of a run.
            files: Where outcomes go.
            limit: How many failures end the run.
        """
        self.issued = self.completed = 0
        self.aborted: str | None = None
        self.links = links
        self._schedule, self._control, self._files, self._limit = schedule, control, files, limit
        self._ordered = False
        self._open: dict[int, Issue] = {}
        # A conversation stays with a worker, which keeps the answers that later turns repeat.
        self._link_of: dict[int, WorkerLink] = {}
        self._load = dict.fromkeys(links, 0)
        self._timer, self._timed_ns = KernelTimer(), 0
        self._signs, self._reported_ns = Signs(self), 0
        self._epoll = select.epoll()
        self._by_fd = {link.socket.fileno(): link for link in links}
        for fd in (*self._by_fd, control.fileno(), self._timer.fd):
            self._epoll.register(fd, select.EPOLLIN)

    @property
    def failed(self) -> Counter[RequestOutcome]:
        """The failures, by outcome."""
        return self._files.failed

    def open(self) -> int:
        """Return how many requests are issued and have not ended."""
        return len(self._open)

    def await_workers(self) -> None:
        """Wait until all workers are ready, so that none of the run is spent on their start.

        Where the parent orders the end meanwhile, `run` is over at once.

        Raises:
            WorkerLostError: one of them ended instead.
        """
        while not self._all_ready() and not self._ordered:
            self._handle_events()
            if not self._ordered and (self.aborted is not None or len(self._by_fd) < len(self.links)):
                raise WorkerLostError(self.aborted or "a worker could not start; its error is above")

    def open_connections(self) -> None:
        """Open the workers' early connections; wait until that is over, or has taken too long."""
        for link in self.links:
            link.ready = False
            link.order(OPEN_EARLY)
        deadline = monotonic_ns() + int(EARLY_LIMIT_S * _NS)
        while not self._all_ready() and self.aborted is None and monotonic_ns() < deadline:
            self._handle_events()

    def _all_ready(self) -> bool:
        return all(link.ready for link in self.links)

    def run(self, seconds: float) -> None:
        """Issue and collect until the run is over, at most so many seconds; 0: as long as it takes."""
        schedule, now = self._schedule, monotonic_ns()
        end_ns = now + int(seconds * _NS) if seconds else None
        schedule.start(now)
        while not schedule.over and self.aborted is None and (end_ns is None or now < end_ns):
            due_ns = schedule.next_ns
            if due_ns is not None and due_ns <= now:
                self._issue(schedule.take(now))
                due_ns = schedule.next_ns
            self._set_timer(min(filter(None, (due_ns, end_ns)), default=0))
            self._handle_events()
            now = monotonic_ns()
            if now - self._reported_ns > _PROGRESS_EVERY_NS:
                self._reported_ns = now
                self._report()
        self._end()

    def _set_timer(self, at_ns: int) -> None:
        if at_ns != self._timed_ns:
            self._timed_ns = at_ns
            self._timer.set(at_ns)

    def _issue(self, issues: Iterable[Issue]) -> None:
        packed: defaultdict[WorkerLink, list[bytes]] = defaultdict(list)
        for issue in issues:
            number, request, planned_ns = issue
            serial = number >> TURN_BITS
            link = self._link_of.get(serial)
            if link is None:
                link = self._link_of[serial] = min(self.links, key=self._load.__getitem__)
                self._load[link] += 1
            self._open[number] = issue
            packed[link].append(ISSUE.pack(number, request, planned_ns))
            self.issued += 1
        for link, records in packed.items():
            link.send(b"".join(records))

    def _handle_events(self) -> None:
        for fd, _ in self._epoll.poll(PROGRESS_EVERY_S):
            link = self._by_fd.get(fd)
            if link is not None:
                self._handle(link)
                if link.gone:
                    self._epoll.unregister(fd)
                    del self._by_fd[fd]
            elif fd == self._timer.fd:
                self._timer.expired()
            else:
                self._obey()

    def _handle(self, link: WorkerLink) -> None:
        link.receive()
        for frame in link.frames():
            message, records, payloads, end = frame
            if message == _DONE:
                self._collect(link, records, payloads, end)
            elif (reason := link.note(frame)) is not None:
                self._abort(reason)

    def _collect(self, link: WorkerLink, records: int, payloads: int, end: int) -> None:
        """Note requests that have ended. What follows them is planned first; the files can wait."""
        packed = link.view[records:payloads]
        rows = list(RECORD.iter_unpack(packed))
        failed = False
        for row in rows:
            number, outcome = row[0], row[6]
            if self._open.pop(number, None) is None:
                self._abort(f"a worker returned the request {number}, which was not open")
                return
            if self._schedule.ended(number, not outcome, row[16]):
                self._load[self._link_of.pop(number >> TURN_BITS)] -= 1
            failed = failed or outcome != 0
        link.done += len(rows)
        self.completed += len(rows)
        if not self._schedule.over and (due_ns := self._schedule.next_ns) is not None:
            now = monotonic_ns()
            if due_ns <= now:
                self._issue(self._schedule.take(now))
        self._files.write(packed)
        if failed:
            self._note_failures(rows, link.view[payloads:end])
        else:
            self._limit.answered(len(rows))

    def _note_failures(self, rows: Sequence[tuple[int, ...]], payloads: memoryview) -> None:
        found = iter(self._files.note_failures(rows, payloads))
        for row in rows:
            if not row[6]:
                self._limit.answered()
            elif (reason := self._limit.failed(*next(found))) is not None:
                self._abort(reason)

    def _obey(self) -> None:
        order = self._control.recv(4096)
        if not order:
            os._exit(1)  # the parent is gone, and with it the run
        self._ordered = True
        self._abort(order.decode())

    def _abort(self, reason: str) -> None:
        self.aborted = self.aborted or self._files.masked(reason)

    def _report(self) -> None:
        if (lost := self._signs.lost()) is not None:
            self._abort(lost)
        self._files.flush()
        tell(
            self._control,
            event="progress",
            issued=self.issued,
            completed=self.completed,
            failed=self.failed.total(),
            aborted=self.aborted,
            **self._signs.look(),
        )

    def _end(self) -> None:
        """Hang up. What is open is filling of the cool-down; of a run that ended early, it has failed."""
        for link in self.links:
            link.hang_up()
        if self.aborted is None:
            return
        self._files.note_abort(self.aborted)
        self._files.note_aborted(self._open.values(), monotonic_ns())
        self.completed += len(self._open)
        self._open.clear()
