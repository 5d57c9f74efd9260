"""A worker process: receives sample numbers from the driver, sends the requests, returns outcomes in batches.

One thread and one epoll for everything. Each turn of the loop handles, in this order: events of sockets, new
numbers, requests that can leave, one frame with all that finished. Nothing is ever sent twice.
"""

import gc
import os
import resource
import select
import socket
import sys
from time import monotonic_ns

import msgspec

from weighbridge.client.answer_reader import AnswerReader
from weighbridge.client.answers import Answer
from weighbridge.client.connection import Connection
from weighbridge.client.connection_owner import Request
from weighbridge.client.early_connections import EarlyConnections
from weighbridge.client.endpoint import Endpoint
from weighbridge.client.endpoint_choice import EndpointChoice
from weighbridge.client.frames import Message, RequestOutcome, WorkerJob
from weighbridge.client.outbox import Outbox, give_up
from weighbridge.client.receive_backlog import BacklogMeter, note_arrivals
from weighbridge.client.stored_requests import StoredRequests
from weighbridge.client.tls_connection import TlsConnection
from weighbridge.client.waiting_numbers import WaitingNumbers
from weighbridge.core.errors import InputError, machine_trouble
from weighbridge.core.parent_death import die_with_parent

_EVENTS_PER_TURN = 64  # bounds how long a finished request waits for its frame: some 2 ms at worst
# A send costs more than a receive; answers must not wait behind a burst, and first tokens still less.
_SENDS_PER_TURN, _SENDS_PER_TURN_OF_STREAMS = 16, 4
_TICK_S = 0.1
_NS = 1_000_000_000
_ALIVE_EVERY_NS = _NS
# An endpoint that refuses connections for this long is gone, and with it the run.
_GONE_AFTER_NS = 2 * _NS
_PROBE_EVERY_NS = _NS // 4
_READ = select.EPOLLIN | select.EPOLLRDHUP
_WRITE = select.EPOLLOUT


class Worker:
    """The state of one worker process."""

    def __init__(self, job: WorkerJob) -> None:
        api_key = os.environ.get(job.api_key_env) if job.api_key_env else None
        self.stream = job.stream
        self.reader = AnswerReader(job.api, job.model, job.nonce, job.answers)
        self._job = job
        self._requests = StoredRequests(job)
        self.bodies = self._requests.bodies
        self.before, self.after = job.before.encode(), job.after.encode()
        self._endpoints: EndpointChoice[Connection] = EndpointChoice(
            [
                Endpoint(number, url, job.api.path, api_key, job.nonce)
                for number, url in enumerate(job.endpoints)
            ]
        )
        self._control = socket.socket(fileno=job.control_fd)
        self._outbox = Outbox(self._control, job.number, job.first_tokens)
        self._epoll = select.epoll()
        self._epoll.register(job.control_fd, select.EPOLLIN)
        self._backlog = BacklogMeter()
        self._epoll.register(self._backlog.fd, select.EPOLLIN)
        self._numbers = WaitingNumbers(self._control)
        self._early: EarlyConnections[Connection] | None = None
        self._connections: dict[int, Connection] = {}
        # Both in the order of their start, so that only the first can be the next to time out.
        self._connecting: dict[int, Connection] = {}
        self._active: dict[int, Connection] = {}
        self._retired: list[Connection] = []
        self._sends_per_turn = _SENDS_PER_TURN_OF_STREAMS if job.stream else _SENDS_PER_TURN
        self._ticked_ns = self._told_ns = 0

    def run(self) -> None:
        """Work until the driver closes its socket."""
        self._outbox.tell(Message.READY)
        poll, control, tick_ns = self._epoll.poll, self._job.control_fd, int(_TICK_S * _NS)
        queue, connections, active = self._numbers.chunks, self._connections, self._active
        retired, backlog, look = self._retired, self._backlog, self._backlog.look
        while True:
            waiting = queue and len(active) < self._job.connections
            for fd, event in poll(0 if waiting else _TICK_S, _EVENTS_PER_TURN):
                connection = connections.get(fd)
                if connection is not None:
                    look(connection.socket, event)
                    connection.on_event(event != _WRITE)
                elif fd == backlog.fd:
                    backlog.ring(bool(active))
                elif fd == control and not self._take_numbers():
                    return
            if queue:
                self._send_waiting()
            if backlog.unreported:  # before outcomes, with which the run may end
                self._outbox.report(backlog.report())
            self._outbox.flush()
            if retired:
                self._close_retired()
            now = monotonic_ns()
            if now - self._ticked_ns > tick_ns:
                self._ticked_ns = now
                self._tick(now)
                self._outbox.flush()
                self._close_retired()

    def _take_numbers(self) -> bool:
        if not self._numbers.receive():
            return False
        self._early = None
        if self._numbers.ordered_early():
            count = self._job.early_connections
            self._early = EarlyConnections(count, self._endpoints, self._connecting, self._connect)
            self._open_more()
        return True

    def _open_more(self) -> None:
        early = self._early
        if early is not None and early.go_on() and early is self._early:
            self._early = None
            self._outbox.tell(Message.READY)

    def _send_waiting(self) -> None:
        for _ in range(min(self._job.connections - len(self._active), self._sends_per_turn)):
            endpoint = self._endpoints.take() if self._numbers.chunks else None
            if endpoint is None:
                break  # if all refuse: within two seconds one is back, or the run ends
            number, index, planned_ns = self._numbers.take()
            self._start(self._requests.make(number, index, planned_ns, endpoint))
        self._requests.forget()

    def _start(self, request: Request) -> None:
        now = monotonic_ns()
        idle = request.endpoint.idle
        while idle:
            connection = idle.popitem()[1]  # the last used, so that the others grow old and are closed
            old = now - connection.since_ns >= connection.reuse_ns
            if not old and connection.quiet():
                connection.since_ns = now
                self._active[connection.fd] = connection
                connection.send(request)
                return
            self.closed(connection)
            if old:
                break  # the others are older
        self._connect(request.endpoint, request)

    def _connect(self, endpoint: Endpoint[Connection], request: Request | None) -> None:
        if len(self._connections) >= self._job.connections:
            self._close_an_idle_one()
        make = TlsConnection if endpoint.tls else Connection
        try:
            connection = make(self, endpoint, request)
        except OSError as error:
            self._refused(endpoint, request, str(error))
            return
        note_arrivals(connection.socket)
        self._connections[connection.fd] = self._connecting[connection.fd] = connection
        if request is not None:
            self._active[connection.fd] = connection
        self._epoll.register(connection.fd, _READ | _WRITE)

    def _close_an_idle_one(self) -> None:
        for endpoint in self._endpoints:
            if endpoint.idle:
                self.closed(next(iter(endpoint.idle.values())))
                return

    # What connections report.

    def want_write(self, connection: Connection, wanted: bool) -> None:
        """Start or stop reporting that the socket can be written to."""
        self._epoll.modify(connection.fd, _READ | _WRITE if wanted else _READ)

    def connected(self, connection: Connection) -> None:
        """Note that the endpoint can be reached."""
        del self._connecting[connection.fd]
        self._endpoints.reached(connection.endpoint)
        if connection.request is None:
            connection.since_ns = monotonic_ns()
            connection.endpoint.idle[connection.fd] = connection
            self._open_more()

    def unreachable(self, connection: Connection, reason: str) -> None:
        """Note that the endpoint cannot be reached; its request has failed."""
        request = connection.request
        self._active.pop(connection.fd, None)
        self._drop(connection)
        self._refused(connection.endpoint, request, reason)

    def _refused(self, endpoint: Endpoint[Connection], request: Request | None, reason: str) -> None:
        if self._early is not None and request is None:
            self._early.give_up()
            self._open_more()
            return
        now = monotonic_ns()
        if request is not None:
            answer = Answer(RequestOutcome.CONNECT, reason.encode())
            self._endpoints.give_back(request.endpoint)
            self._requests.ended(request, answer)
            self._outbox.finished(request, answer, 0, 0, now)
        down_ns = self._endpoints.refused(endpoint, now)
        if down_ns > _GONE_AFTER_NS:
            gone_s = down_ns / _NS
            self._outbox.tell(
                Message.GIVE_UP, f"endpoint {endpoint.url} cannot be reached for {gone_s:.1f} s: {reason}"
            )

    def first_content(self, request: Request, content: str | bytes) -> None:
        """Queue a stream's first token for the driver."""
        self._outbox.first_content(request, content)

    def finished(
        self, connection: Connection, answer: Answer, status: int, received: int, end_ns: int, reusable: bool
    ) -> None:
        """Record the outcome of the connection's request."""
        request = connection.request
        assert request is not None
        connection.request = None
        del self._active[connection.fd]
        self._endpoints.give_back(request.endpoint)
        if self._requests.live:
            self._requests.ended(request, answer)
        self._outbox.finished(request, answer, status, received, end_ns)
        if reusable:
            connection.since_ns = end_ns
            connection.endpoint.idle[connection.fd] = connection
        else:
            self._drop(connection)

    def closed(self, connection: Connection) -> None:
        """Forget a connection without a request."""
        connection.endpoint.idle.pop(connection.fd, None)
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        # Closed at the end of the turn: events of this turn may still name its descriptor.
        self._connections.pop(connection.fd, None)
        self._connecting.pop(connection.fd, None)
        self._retired.append(connection)

    def _close_retired(self) -> None:
        for connection in self._retired:
            connection.close()
        self._retired.clear()

    # Signs of life, timeouts, and endpoints that were down.

    def _tick(self, now: int) -> None:
        if now - self._told_ns >= _ALIVE_EVERY_NS:
            self._told_ns = now
            self._outbox.alive()
        self.bodies.look()
        limit_s = self._job.connect_timeout_s
        while oldest := _first_before(self._connecting, now - limit_s * _NS):
            self.unreachable(oldest, f"no connection within {limit_s:g} s")
        limit_s = self._job.request_timeout_s
        while oldest := _first_before(self._active, now - limit_s * _NS):
            oldest.fail(RequestOutcome.TIMEOUT, f"no answer within {limit_s:g} s: ")
        for endpoint in self._endpoints:
            if endpoint.down_since_ns and now - endpoint.probed_ns > _PROBE_EVERY_NS:
                endpoint.probed_ns = now
                self._connect(endpoint, None)


def _first_before(started: dict[int, Connection], limit_ns: float) -> Connection | None:
    """Return the first of `started`, which is ordered by `since_ns`, if it started before the limit."""
    for connection in started.values():
        return connection if connection.since_ns < limit_ns else None
    return None


def main() -> None:
    """Run a worker; its job is the only argument, as JSON."""
    job = msgspec.json.decode(sys.argv[1], type=WorkerJob)
    die_with_parent(job.parent)
    # Nothing here makes reference cycles, so the collector would only pause the worker.
    gc.disable()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    control = os.dup(job.control_fd)  # stays open when the worker's own is closed by an error
    try:
        Worker(job).run()
    except (BrokenPipeError, ConnectionResetError):
        return  # the driver is gone, and with it the run
    except (OSError, InputError) as error:
        reason = (machine_trouble(error) or str(error)).rstrip(".")
        give_up(control, f"worker {job.number} cannot go on: {reason}")


if __name__ == "__main__":
    main()
