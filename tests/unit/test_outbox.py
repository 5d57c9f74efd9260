"""What a worker tells arrives at LoadGen: first tokens in time, outcomes after them, signs of life."""

import ctypes
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from weighbridge.client.answer_sample import AnswerSample
from weighbridge.client.answers import Answer
from weighbridge.client.connection_owner import Request
from weighbridge.client.endpoint import Endpoint
from weighbridge.client.frames import Message, RequestOutcome
from weighbridge.client.outbox import Outbox
from weighbridge.client.written_file import WrittenFile
from weighbridge.loadgen import completions
from weighbridge.loadgen.sut import SystemUnderTest

LOADGEN_ID = 1 << 63  # far from our own numbers
MS = 1_000_000


class Wire:
    """An outbox, the driver's side of its socket, and what LoadGen is told."""

    def __init__(self, folder: Path, first_tokens: bool, told: list[tuple[str, int, bytes]]) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        records, errors = (WrittenFile(str(folder / name)) for name in ("records", "errors"))
        self.told = told
        self.outbox = Outbox(theirs, 0, first_tokens)
        self.sut = SystemUnderTest(
            [ours],
            ["http://h"],
            records,
            errors,
            AnswerSample(None, 0.5),
            token_latencies=first_tokens,
            wants_first_tokens=first_tokens,
        )
        self.sut.issue([LOADGEN_ID + number for number in range(8)], list(range(8)))
        self._endpoint: Endpoint[object] = Endpoint(0, "http://127.0.0.1:1", "/v1", None, "n")
        self._sockets, self._files = (ours, theirs), (records, errors)

    def collect(self) -> list[tuple[str, int, bytes]]:
        """Hand over what has left the outbox; return what LoadGen was told of it."""
        self.told.clear()
        self.sut.collect(self.sut.links[0])
        return list(self.told)

    def begin(self, number: int, content: str | bytes, first_ns: int) -> None:
        request = Request(number, number, 1, 0, 1, self._endpoint, first_ns=first_ns)
        self.outbox.first_content(request, content)

    def finish(self, number: int, text: bytes, end_ns: int) -> None:
        request = Request(number, number, 1, 0, 1, self._endpoint)
        self.outbox.finished(request, Answer(RequestOutcome.OK, text, 5), 200, 9, end_ns)

    def fail(self, number: int, end_ns: int) -> None:
        request = Request(number, number, 1, 0, 1, self._endpoint)
        self.outbox.finished(request, Answer(RequestOutcome.RESET, b"gone"), 200, 9, end_ns)

    def close(self) -> None:
        for each in (*self._sockets, *self._files):
            each.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, bytes]]:
    """Take LoadGen's place."""
    found: list[tuple[str, int, bytes]] = []

    def response(number: int, address: int, size: int, tokens: int) -> tuple[int, bytes]:
        # Five tokens are those of an answer, two of a failure, none of it where tokens do not count.
        said = ctypes.string_at(address, size) if size else {2: b"failed", 0: b"", 1: b"no token"}[tokens]
        return number - LOADGEN_ID, said

    def tell(kind: str) -> Callable[[list[tuple[int, bytes]]], None]:
        return lambda got: found.extend((kind, *each) for each in got)

    monkeypatch.setattr(completions, "QuerySampleResponse", response)
    monkeypatch.setattr(completions, "FirstTokenComplete", tell("first"))
    monkeypatch.setattr(completions, "QuerySamplesComplete", tell("done"))
    return found


@pytest.fixture
def counted(tmp_path: Path, told: list[tuple[str, int, bytes]]) -> Iterator[Wire]:
    """Give a wire to a driver that counts first tokens."""
    wire = Wire(tmp_path, True, told)
    yield wire
    wire.close()


def test_first_tokens_arrive_before_outcomes(counted: Wire) -> None:
    counted.begin(1, "wh", MS)
    counted.finish(1, b"whole", MS)
    counted.begin(3, "ü", MS)
    counted.begin(4, b"\x01\x00\x00\x00", MS)
    counted.outbox.flush()
    assert counted.collect() == [
        ("first", 1, b"wh"),
        ("first", 3, "ü".encode()),
        ("first", 4, b"\x01\x00\x00\x00"),
        ("done", 1, b"whole"),
    ]
    assert counted.sut.aborted is None
    assert counted.sut.open() == 7


def test_a_failed_request_has_a_first_token_and_two_tokens_for_loadgen(counted: Wire) -> None:
    counted.begin(1, "b", MS)
    counted.fail(1, MS)
    counted.fail(2, MS)
    counted.outbox.flush()
    assert counted.collect() == [
        ("first", 1, b"b"),
        ("first", 2, b"no token"),
        ("done", 1, b"failed"),
        ("done", 2, b"failed"),
    ]
    counted.begin(5, "b", MS)
    counted.outbox.flush()
    counted.collect()
    counted.told.clear()
    counted.sut.abort("enough")
    kept = list(counted.told)
    assert kept[:5] == [("first", number, b"no token") for number in (0, 3, 4, 6, 7)]
    assert kept[5:] == [("done", number, b"failed") for number in (0, 3, 4, 5, 6, 7)]
    counted.told.clear()
    counted.sut.issue([LOADGEN_ID + 8], [0])
    assert counted.told == [("first", 8, b"no token"), ("done", 8, b"failed")]
    assert counted.sut.failed.total() == counted.sut.completed == 8


def test_an_answer_without_a_first_token_ends_the_run(counted: Wire) -> None:
    counted.finish(6, b"whole", MS)
    counted.outbox.flush()
    assert counted.collect()[:2] == [("first", 6, b"no token"), ("done", 6, b"whole")]
    assert counted.sut.aborted == "a worker returned sample 6 without a first token"
    assert counted.sut.failed.total() == 7


def test_what_waits_leaves_with_the_next_after_a_fifth_of_a_millisecond(counted: Wire) -> None:
    counted.begin(0, "a", MS)
    counted.fail(1, MS + 100_000)
    with pytest.raises(BlockingIOError):
        counted.sut.links[0].socket.recv(1)
    counted.begin(2, "c", MS + 200_001)
    assert counted.collect() == [
        ("first", 0, b"a"),
        ("first", 2, b"c"),
        ("first", 1, b"no token"),
        ("done", 1, b"failed"),
    ]
    counted.begin(3, "d", 2 * MS)  # waits anew
    with pytest.raises(BlockingIOError):
        counted.sut.links[0].socket.recv(1)


def test_first_tokens_that_nobody_counts_stay_with_the_worker_which_tells_their_number(
    tmp_path: Path, told: list[tuple[str, int, bytes]]
) -> None:
    wire = Wire(tmp_path, False, told)
    for number in range(3):
        wire.begin(number, "a", MS * number)
    wire.outbox.flush()
    with pytest.raises(BlockingIOError):
        wire.sut.links[0].socket.recv(1)
    assert sum(link.begun for link in wire.sut.links) == 0
    wire.outbox.alive()
    assert wire.collect() == []
    assert sum(link.begun for link in wire.sut.links) == 3
    wire.close()


@pytest.mark.parametrize("number", [8, 1])
def test_a_first_token_of_no_open_sample_ends_the_run(counted: Wire, number: int) -> None:
    counted.fail(1, MS)
    counted.outbox.flush()
    counted.collect()
    counted.begin(number, "x", MS)
    counted.outbox.flush()
    told = counted.collect()
    assert counted.sut.aborted == f"a worker returned the sample {number}, which was not open"
    rest = (0, 2, 3, 4, 5, 6, 7)
    assert [each[:2] for each in told] == [(kind, n) for kind in ("first", "done") for n in rest]


def test_a_sample_that_comes_back_twice_ends_the_run_and_is_completed_once(counted: Wire) -> None:
    counted.fail(2, MS)
    counted.fail(5, MS)
    counted.fail(2, MS)
    counted.outbox.flush()
    assert sorted(number for kind, number, _ in counted.collect() if kind == "done") == list(range(8))
    assert counted.sut.aborted == "a worker returned the sample 2, which was not open"
    assert counted.sut.completed == 8
    assert counted.sut.failed[RequestOutcome.ABORTED] == 8


def test_an_early_end_of_a_worker_is_told_after_all_that_waits(counted: Wire) -> None:
    counted.begin(2, "x", MS)
    counted.finish(2, b"x", MS)
    counted.outbox.tell(Message.GIVE_UP, "no more")
    assert counted.collect()[:2] == [("first", 2, b"x"), ("done", 2, b"x")]
    assert counted.sut.aborted == "no more"
