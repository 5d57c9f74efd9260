"""A run of conversations against the simulated server, computed without a network: each request's times.

The client's own schedule decides what is sent when, and the server's own service when it is answered. Client
and network take no time.
"""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush

import numpy as np

from weighbridge.client.conversation_schedule import ConversationSchedule, Issue, PlannedConversation
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.planned_conversations import planned_conversations
from weighbridge.client.request_log import RECORD_TYPE, Records, table_of
from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_run import CellFigures
from weighbridge.requests.turns import Turns
from weighbridge.simulate.asked_lengths import AskedLengths
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.request_fields import RequestFields
from weighbridge.simulate.responses import PIECES
from weighbridge.simulate.service import Served, Service
from weighbridge.sweep.cell_figures import figures_of

_NS = 1_000_000_000
_START_NS = _NS  # any time but 0, which means never
_EVENTS_BEHIND = 2  # the token counts, and the end

BodyOf = Callable[[int], bytes]


def replay(
    conversations: Sequence[PlannedConversation],
    closed: int,
    body_of: BodyOf,
    behaviour: Behaviour,
    *,
    run: int = 0,
) -> Records:
    """Compute the times of every request of a run.

    Args:
        conversations: In the order in which they begin.
        closed: How many are in progress at once; 0: they begin when they are due.
        body_of: Returns the stored body of the request at a place of the store, without the model's name.
        behaviour: The behaviour of the server, which answers any length.
        run: How many runs it served before; it was started when this one began.

    Returns:
        Rows of RECORD_TYPE in the order of completion; requests still open at the end are left out.

    Raises:
        InputError: the server leaves requests without an answer.
    """
    if "hang" in behaviour.failures:
        raise InputError("a server that hangs never ends a run; leave 'hang' out of the failures.")
    return _Replay(body_of, behaviour, run).records(ConversationSchedule(conversations, closed))


def replayed_figures(
    turns: Turns,
    level: LoadLevel,
    workload: Workload,
    body_of: BodyOf,
    behaviour: Behaviour,
    *,
    run: int = 0,
) -> CellFigures | None:
    """Compute the figures of a run as those of a measured one are.

    Args:
        turns: Its slice.
        level: Its load.
        workload: What is sent.
        body_of: Returns the stored body of a request, without the model's name.
        behaviour: The behaviour of the server.
        run: How many runs the server served before.

    Returns:
        None: the window is empty.

    Raises:
        InputError: the server leaves requests without an answer, or the slice has no measured request.
    """
    records = replay(planned_conversations(turns, level), level.closed or 0, body_of, behaviour, run=run)
    return figures_of(table_of(records), turns, level, workload, None)


class _Body:
    """What is known of one body of the store; the bytes themselves only for a prefix cache."""

    __slots__ = ("data", "fields", "key", "tokens")

    def __init__(self, answers: AskedLengths, data: bytes, *, keep: bool) -> None:
        self.data = data if keep else b""
        self.fields: RequestFields = answers.read(data)
        self.key = answers.key(data)
        self.tokens = answers.tokens(self.key, self.fields.most_tokens)[0]


class _Replay:
    """The state of one computation."""

    def __init__(self, body_of: BodyOf, behaviour: Behaviour, run: int) -> None:
        self._body_of, self._behaviour = body_of, behaviour
        self._answers = AskedLengths("", behaviour)
        self._service = Service(behaviour)
        for _ in range(run):
            self._service.begin_run()
        self._bodies: dict[int, _Body] = {}
        self._open: list[tuple[int, int, tuple[int, ...]]] = []  # heap: end, number, row
        self._rows: list[tuple[int, ...]] = []

    def records(self, schedule: ConversationSchedule) -> Records:
        """Run until the schedule is over."""
        schedule.start(_START_NS)
        while not schedule.over:
            next_ns = schedule.next_ns
            if self._open and (next_ns is None or self._open[0][0] <= next_ns):
                end_ns, number, row = heappop(self._open)
                self._rows.append(row)
                schedule.ended(number, row[_OUTCOME] == RequestOutcome.OK, end_ns)
                continue
            assert next_ns is not None
            for issue in schedule.take(next_ns):
                self._add(issue)
        records = np.zeros(len(self._rows), dtype=RECORD_TYPE)
        if self._rows:
            for name, column in zip(_COLUMNS, zip(*self._rows, strict=True), strict=True):
                records[name] = column
        return records

    def _add(self, issue: Issue) -> None:
        body = self._bodies.get(issue.request)
        if body is None:
            data, keep = bytes(self._body_of(issue.request)), self._behaviour.prefix_cache
            body = self._bodies[issue.request] = _Body(self._answers, data, keep=keep)
        at_ns = issue.planned_ns
        if body.fields.refusal:
            row = self._row(issue, body, -1, (at_ns, at_ns, at_ns, at_ns), 0)
        else:
            at_s = (at_ns - _START_NS) / _NS
            served = self._service.add(at_s, body.key, body.tokens, body.fields.prompt_tokens, body.data)
            contents = 0
            if body.fields.stream:
                contents = body.tokens if self._behaviour.times_tokens else PIECES
            row = self._row(issue, body, served.cached_tokens, self._times_ns(served, contents), contents)
        heappush(self._open, (row[_END], issue.number, row))

    def _row(
        self, issue: Issue, body: _Body, cached: int, times_ns: tuple[int, int, int, int], contents: int
    ) -> tuple[int, ...]:
        failed = bool(body.fields.refusal) or self._service.draws.failure(body.key) is not None
        return (
            issue.number,
            issue.request,
            RequestOutcome.HTTP_STATUS if failed else RequestOutcome.OK,
            issue.planned_ns,
            issue.planned_ns,
            *times_ns,
            0 if failed else body.tokens,
            0 if failed else body.fields.prompt_tokens,
            cached,
            contents,
        )

    def _times_ns(self, served: Served, contents: int) -> tuple[int, int, int, int]:
        """Return when the first byte, the first and the last content and the end are sent."""
        end_ns = self._at_ns(served.start_s + served.time.total_s)
        if not contents:
            return end_ns, end_ns, end_ns, end_ns
        each_token = self._behaviour.times_tokens
        offsets = served.time.event_s(contents, contents + _EVENTS_BEHIND, each_token=each_token)
        first, last = (self._at_ns(served.start_s + offsets[at]) for at in (0, contents - 1))
        return self._at_ns(served.start_s), first, last, end_ns

    def _at_ns(self, worked_s: float) -> int:
        return _START_NS + round(self._service.clock.real_s(worked_s) * _NS)


_COLUMNS = (
    "id",
    "sample",
    "outcome",
    "planned_ns",
    "sent_ns",
    "first_byte_ns",
    "first_ns",
    "last_ns",
    "end_ns",
    "tokens",
    "prompt_tokens",
    "cached_tokens",
    "chunks",
)
_OUTCOME, _END = _COLUMNS.index("outcome"), _COLUMNS.index("end_ns")
