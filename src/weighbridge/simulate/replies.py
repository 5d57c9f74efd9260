"""Answer the requests of the simulated server: what is sent, when, and how a request fails."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from weighbridge.core.openai_api import Api
from weighbridge.simulate.behaviour import Behaviour, Failure
from weighbridge.simulate.event_sender import EventSender
from weighbridge.simulate.known_answers import Answers, SimulatedAnswer
from weighbridge.simulate.precise_timers import PreciseTimers
from weighbridge.simulate.request_fields import RequestFields
from weighbridge.simulate.responses import Echo, TextResponses, TokenResponses, filled
from weighbridge.simulate.sent_log import SentLog
from weighbridge.simulate.server_counters import ServerCounters
from weighbridge.simulate.service import Served, Service

_STATUS = {"status_429": 429, "status_500": 500, "status_503": 503}
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_STREAM_END = b"0\r\n\r\n"
_EMPTY, _NULL = SimulatedAnswer("", b""), SimulatedAnswer(None)


class ReplyTo(Protocol):
    """Where a response is sent: a connection."""

    def reply(self, body: bytes, status: int = 200) -> None:
        """Answer with a JSON body."""
        ...

    def send(self, data: bytes) -> None:
        """Send bytes as they are, unless the connection is closing."""
        ...

    def hang_up(self) -> None:
        """Close the connection after all that was sent."""
        ...


class _Exchange(NamedTuple):
    """One request and what becomes of it."""

    connection: ReplyTo
    api: Api
    token_ids: bool
    echo: Echo
    sample: int
    answer: SimulatedAnswer
    failure: Failure | None
    arrived_ns: int
    served: Served


class Replies:
    """Answers each request after its service time, with its answer or its failure.

    Attributes:
        metrics: The server's counters.
    """

    def __init__(self, behaviour: Behaviour, answers: Answers, sent: SentLog | None) -> None:
        """Prepare to answer; `sent` gets the times of the answers, if it is not None."""
        self._behaviour, self._answers, self._sent = behaviour, answers, sent
        self._service = Service(behaviour)
        self._outcome = self._service.draws
        self._started_s = time.monotonic()
        self._timers = PreciseTimers()
        self._failed = Counter[int]()  # attempts at each request that fails
        self.metrics = ServerCounters(
            answers.model_name, behaviour.servers, prefix_cache=behaviour.prefix_cache
        )
        self._texts, self._tokens = TextResponses(answers.model_name), TokenResponses(answers.model_name)
        # Without random outcomes and known answers every request has the same answer, and needs no hash.
        draws = behaviour.failures or (behaviour.slowest_s and behaviour.distribution != "constant")
        self._same_for_all = not draws and not answers.known
        unknown = answers.of(0, RequestFields.of(b"")).right
        self._unknown = {api: self._texts.prepared(api, unknown) for api in Api}

    def reset_caches(self) -> None:
        """Empty the caches, which begins a run."""
        self._service.begin_run()

    def answer(self, connection: ReplyTo, api: Api, body: bytes, request_id: bytes) -> None:
        """Answer a request after its service time."""
        if not self._answers.accepts(api, body):
            connection.reply(b'{"error":{"message":"the requests of the store go to the other path"}}', 400)
            return
        arrived_ns = time.monotonic_ns()
        fields = self._answers.read(body)
        if fields.refusal:
            refused = {"error": {"message": fields.refusal, "code": 400}}
            connection.reply(json.dumps(refused).encode(), 400)
            return
        self.metrics.present += 1
        key = 0 if self._same_for_all else self._answers.key(body)
        known = self._answers.of(key, fields)
        answer = known.right if self._outcome.right(key) else known.wrong
        token_ids = fields.token_ids and api is Api.COMPLETIONS
        if token_ids:
            answer = answer.within(fields.most_tokens)
        at_s = arrived_ns / 1e9 - self._started_s
        served = self._service.add(at_s, key, answer.tokens, fields.prompt_tokens, body)
        if served.cached_tokens >= 0:
            self.metrics.looked_up(fields.prompt_tokens, served.cached_tokens)
        exchange = _Exchange(
            connection,
            api,
            token_ids,
            Echo(request_id, fields.prompt_tokens, fields.prompt_ids, served.cached_tokens),
            known.sample,
            answer,
            self._failure(key),
            arrived_ns,
            served,
        )
        if fields.stream:
            self._stream(exchange)
        elif exchange.failure is None:
            self._timers.call_at(self._end_s(exchange), self._reply, exchange, self._whole(exchange))
        else:
            self._timers.call_at(self._end_s(exchange), self._fail, exchange)

    def _failure(self, key: int) -> Failure | None:
        """Return how an attempt at a request fails; None if it succeeds."""
        failure = self._outcome.failure(key)
        if failure is None or not self._behaviour.failing_attempts:
            return failure
        self._failed[key] += 1
        return failure if self._failed[key] <= self._behaviour.failing_attempts else None

    def _on_monotonic_clock(self, worked_s: float) -> float:
        return self._started_s + self._service.clock.real_s(worked_s)

    def _end_s(self, exchange: _Exchange) -> float:
        """Return when service ends, on the monotonic clock."""
        return self._on_monotonic_clock(exchange.served.start_s + exchange.served.time.total_s)

    def _whole(self, exchange: _Exchange) -> bytes:
        """Return a right or wrong answer in one piece."""
        answer, echo = exchange.answer, exchange.echo
        if exchange.token_ids:
            return self._tokens.completion(answer, echo)
        if self._same_for_all:
            return filled(self._unknown[exchange.api], exchange.api, echo, answer.tokens)
        return self._texts.completion(exchange.api, answer, echo)

    def _reply(self, exchange: _Exchange, whole: bytes) -> None:
        self.metrics.answered(exchange.echo.prompt_tokens, exchange.answer.tokens)
        if self._sent is not None:
            now_ns = time.monotonic_ns()
            self._log(exchange, (now_ns, now_ns, now_ns))
        exchange.connection.reply(whole)

    def _log(self, exchange: _Exchange, times_ns: tuple[int, int, int]) -> None:
        if self._sent is not None:
            name, tokens = exchange.echo.request_id, exchange.answer.tokens
            self._sent.add(name, exchange.sample, tokens, exchange.arrived_ns, times_ns)

    def _fail(self, exchange: _Exchange) -> None:
        """Fail a request without events."""
        self.metrics.answered(0, 0)
        connection, failure = exchange.connection, exchange.failure
        if failure == "hang":
            return
        if failure in _STATUS:
            connection.reply(b'{"error":{"message":"simulated failure"}}', _STATUS[failure])
        elif failure == "reset":
            connection.hang_up()
        elif failure == "malformed":
            connection.reply(b'{"choices": [')
        else:
            broken = _broken(exchange)
            usage = failure != "missing_usage"
            if exchange.token_ids:
                whole = self._tokens.completion(broken, exchange.echo, usage=usage)
            else:
                whole = self._texts.completion(exchange.api, broken, exchange.echo, usage=usage)
            if failure == "cut":
                head = response_head(200, b"application/json", len(whole))
                connection.send(head + whole[: len(whole) // 2])
                connection.hang_up()
            else:
                connection.reply(whole)

    def _stream(self, exchange: _Exchange) -> None:
        """Send an answer's events at their times, or an event stream that fails."""
        failure, (start_s, service, _) = exchange.failure, exchange.served
        if failure in _STATUS or failure in ("reset", "hang"):
            self._timers.call_at(self._end_s(exchange), self._fail, exchange)
            return
        each_token = exchange.token_ids or self._behaviour.times_tokens
        answer, echo, usage = _broken(exchange), exchange.echo, failure != "missing_usage"
        if exchange.token_ids:
            events = self._tokens.events(answer, echo, usage=usage)
        else:
            events = self._texts.events(exchange.api, answer, echo, usage=usage, each_token=each_token)
        contents = len(events) - (2 if usage else 1)
        if failure == "malformed":
            events[0] = b"data: {\n\n"
        kept = events[: len(events) // 2] if failure == "cut" else events
        due_s = service.event_s(contents, len(events), each_token=each_token)[: len(kept)]
        times_s = [0.0, *due_s, service.total_s]
        pieces = [b"%x\r\n%b\r\n" % (len(event), event) for event in kept]
        EventSender(
            exchange.connection.send,
            [_STREAM_HEAD, *pieces, b"" if failure == "cut" else _STREAM_END],
            [self._on_monotonic_clock(start_s + each) for each in times_s],
            slice(1, 1 + min(contents, len(kept))),
            self._timers,
            self._over(exchange),
        ).pump()

    def _over(self, exchange: _Exchange) -> Callable[[EventSender], None]:
        """Return what is done at the end of an event stream."""

        def over(sender: EventSender) -> None:
            failed = exchange.failure is not None
            self.metrics.answered(exchange.echo.prompt_tokens, 0 if failed else exchange.answer.tokens)
            if exchange.failure == "cut":
                exchange.connection.hang_up()
            elif not failed:
                self._log(exchange, (sender.first_ns, sender.last_ns, sender.end_ns))

        return over


def _broken(exchange: _Exchange) -> SimulatedAnswer:
    """Return the answer that is sent of a request, which fails without its content in some cases."""
    if exchange.failure == "empty":
        return _EMPTY if exchange.token_ids else SimulatedAnswer("")
    return _NULL if exchange.failure == "null_content" else exchange.answer


def response_head(status: int, kind: bytes, length: int) -> bytes:
    """Return the status line and the header fields of a response."""
    reason = b"OK" if status == 200 else b"Failed"
    return b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (
        status,
        reason,
        kind,
        length,
    )
