"""A stream gives the same answer by both ways to read it, by its usual form and byte by byte."""

import json
import socket
from collections.abc import Iterator
from typing import cast

import pytest
from answer_kinds import KIND_NAMES, KINDS, Kind
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.client.answer_reader import AnswerReader
from weighbridge.client.answers import Answer, packed
from weighbridge.client.connection import Connection
from weighbridge.client.connection_owner import Owner, Request
from weighbridge.client.endpoint import Endpoint
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.text_stream import TextStream
from weighbridge.client.token_stream import TokenStream
from weighbridge.core.openai_api import Api

NONCE, NUMBER = "0123456789abcdef", 5171
OWN_ID = f"chatcmpl-{NONCE}{NUMBER}z"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
Told = tuple[Answer, int, int, bool, str | bytes, tuple[int, int]]


class SlowReader(AnswerReader):
    """Its streams know no usual form."""

    last: TextStream | TokenStream

    def stream(self, number: int) -> TextStream | TokenStream:
        self.last = super().stream(number)
        self.last._lessons = 0
        return self.last


class Clock:
    """The number of reads so far is the time."""

    reads = 0


class Arrivals(Connection):
    """A connection that receives what a test says, without an end by itself."""

    arrivals: Iterator[bytes]
    parsed = 0

    def _receive(self) -> bytes:
        Clock.reads += 1
        return next(self.arrivals)

    def _parse(self, data: bytes, fresh: bytes, now: int, broken: OSError | None) -> None:
        self.parsed += len(fresh)
        super()._parse(data, fresh, now, broken)


class NoBodies:
    """Stands for the store: what a request says is of no matter here."""

    def slice(self, start: int, stop: int) -> bytes:
        return bytes(stop - start)


class Notes:
    """Stands for the worker: keeps what its connection reports."""

    stream, bodies = True, NoBodies()
    before = after = b""

    def __init__(self, reader: AnswerReader) -> None:
        self.reader = reader
        self.first: str | bytes = ""
        self.told: list[Told] = []

    def want_write(self, _connection: Connection, _wanted: bool) -> None:
        pass

    def first_content(self, request: Request, content: str | bytes) -> None:
        assert (request.first_ns > 0, self.first) == (True, "")
        self.first = content

    def finished(
        self, connection: Connection, answer: Answer, status: int, received: int, _end: int, again: bool
    ) -> None:
        request, connection.request = connection.request, None
        assert request is not None
        # A content that makes an answer a failure has a time of its own where it is looked at later.
        times = (request.first_ns, request.last_ns) if answer.outcome is RequestOutcome.OK else (0, 0)
        self.told.append((answer, status, received, again, self.first, times))

    def closed(self, _connection: Connection) -> None:
        pass


@pytest.fixture(autouse=True, scope="module")
def clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weighbridge.client.connection.monotonic_ns", lambda: Clock.reads)
        yield


def received(reads: list[bytes], reader: AnswerReader) -> tuple[list[Told], int]:
    """Let a connection receive this; return what it told, and how many bytes went to the HTTP parser."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        endpoint: Endpoint[Connection] = Endpoint(0, url, "/v1/chat/completions", None, NONCE)
        notes = Notes(reader)
        connection = Arrivals(cast("Owner[Connection]", notes), endpoint, None)
        connection.open, connection.arrivals, Clock.reads = True, iter(reads), 0
        connection.send(Request(NUMBER, 0, 0, 0, 4, endpoint))
        for _ in reads:
            if connection.request is not None:
                connection.on_event(readable=True)
        if connection.request is not None:
            connection.arrivals = iter([b""])
            connection.on_event(readable=True)
        connection.close()
    return notes.told, connection.parsed


def chunk(payload: bytes, form: bytes = b"%x\r\n") -> bytes:
    return form % len(payload) + payload + b"\r\n"


def event(kind: Kind, content: bytes, ids: bytes = b"5", **changed: object) -> bytes:
    """Make an event whose content is these bytes, the text within quotation marks, the ids in brackets."""
    part: dict[str, object] = {"delta": {"content": "@"}} if kind.api is Api.CHAT else {"text": "@"}
    more = {"prompt_token_ids": None, "token_ids": ["@"]} if kind.of_tokens else {"token_ids": None}
    said = {
        "id": OWN_ID,
        "created": 5,
        "model": "m",
        "choices": [{"index": 0, **part, "finish_reason": None, **more}],
    }
    made = json.dumps(said | changed).encode().replace(b'"token_ids": ["@"]', b'"token_ids": [%b]' % ids, 1)
    return b"data: " + made.replace(b"@", content, 1)


USAGE = {"completion_tokens": 555555555}
"""Of a whole answer; `both` puts the right number in its place."""


def usage_of(kind: Kind, **more: object) -> bytes:
    return event(kind, b"", choices=[], usage=USAGE | more)


HIDDEN = b'x"}}]}\n\ndata: [DONE]\n\ndata: {"choices": [{"delta": {"content": "y'
CONTENTS = [
    *(json.dumps(text)[1:-1].encode() for text in ("ü", '"', "\\", "\n", '"content": "x"', "weighbridge")),
    *(
        b"",
        b" ",
        "🥾".encode(),
        b"\xf0\x9f",
        b"\xa5\xbe",
        b"\\ud83e",
        b"\\udd7e",
        b"\\\\",
        b"\\",
        b"\\x",
        b"\\u0077",
    ),
    *(
        b'"',
        b'a","b',
        b'","',
        b'a",',
        b',"b',
        b"\n",
        b"\r",
        b"\x00",
        HIDDEN,
        b'", "text": "z',
        b'", "content": "z',
    ),
]
IDS = [
    b"",
    b" ",
    b"0",
    b"2147483647",
    b"2147483648",
    b"-1",
    b"7, 2147483647",
    b"1,2",
    b" 1 ,\t2",
    b"1.0",
    b"1e3",
    b"01",
    b"1,",
    b",1",
    b"1 2",
    b"null",
    b"true",
    b'"1"',
    b"[1]",
    b"1],[2",
    b'1],"token_ids":[2',
    b'1]}],"choices":[{"text":"z","delta":{"content":"z"},"token_ids":[2',
    b'1],"x":"y","finish_reason":null,"prompt_token_ids":null,"token_ids":[2',
]
PART = {
    "index": 0,
    "delta": {"content": "@", "x": {"content": "y"}},
    "text": "@",
    "finish_reason": None,
    "token_ids": [5],
}
CHANGES: list[dict[str, object]] = [
    {"model": "n"},
    {"model": None},
    {"id": "other"},
    {"id": f"chatcmpl-{NONCE}1z"},
    {"created": 6},
    {"choices": []},
    {"choices": [PART]},
    {"choices": [PART, PART | {"text": "z", "delta": {"content": "z"}}]},
    {"choices": [PART | {"finish_reason": "stop"}]},
    {"choices": [PART | {"finish_reason": "length"}]},
    {"choices": [{"delta": {}, "text": "", "finish_reason": "length"}]},
    {"choices": [], "usage": {"completion_tokens": 8}},
    {"choices": [], "usage": USAGE},
    {"choices": [{"delta": {"content": None}, "text": None}]},
    {"choices": [{"delta": {"x": {"content": "@"}, "content": "weighbridge"}, "text": "weighbridge"}]},
    {"choices": [{"delta": {"content": "weighbridge", "x": {"content": "@"}}, "text": "weighbridge"}]},
    {"usage": {"completion_tokens": 3}},
    {"usage": {"completion_tokens": 7, "prompt_tokens": 9}},
    {"x": {"content": "@"}},
    {"choices": [PART | {"token_ids": None}]},
    {"choices": [PART | {"token_ids": [], "prompt_token_ids": [1]}]},
    {"choices": [PART | {"prompt_token_ids": list(range(40))}]},
    {"choices": [PART | {"prompt_token_ids": list(range(2000))}]},
    {"choices": [{"token_ids": [5], "text": "@", "delta": {"content": "@"}}]},
    {"choices": [PART], "token_ids": [8]},
    {"choices": [PART | {"text": '"token_ids": [9]', "delta": {"content": '"token_ids": [9]'}}]},
]
LINES = [
    b"data: [DONE]",
    b"data:[DONE]",
    b": ping",
    b"event: x",
    b"data: {}",
    b"data: x",
    b"",
    b"data:",
    b"dat",
]


def odd_payloads(kind: Kind) -> list[bytes]:
    """Make payloads that differ from the usual event, each in another way."""
    one = event(kind, b"one")
    found = [event(kind, content) + b"\n\n" for content in CONTENTS]
    found += [event(kind, b"one", **changed) + b"\n\n" for changed in CHANGES]
    if kind.of_tokens:
        found += [event(kind, b"one", ids) + b"\n\n" for ids in IDS]
    found += [line + b"\n\n" for line in LINES]
    found += [
        one + b"\n\n" + one + b"\n\n",
        one,
        one + b"\n",
        one + b"\n\n: ping\n\n",
        b": a\n" + one + b"\n\n",
    ]
    found += [one + b"\r\n\r\n", one + b"\n\ndat", b"a: b" + one + b"\n\n", one[:-9], one[-9:] + b"\n\n"]
    return found


def both(reads: list[bytes], kind: Kind) -> None:
    """Compare the two ways, with the usage of as many tokens as there are ids."""
    slow_reader = SlowReader(kind.api, "m", NONCE, kind.answers)
    found, _ = received(reads, slow_reader)
    if kind.of_tokens:
        tokens = len(slow_reader.last._tokens)
        sizes, whole = map(len, reads), b"".join(reads)
        whole, at = whole.replace(b"555555555", b"%9d" % tokens), 0
        reads = [whole[at : (at := at + size)] for size in sizes]
        found, _ = received(reads, slow_reader)
    usual, _ = received(reads, AnswerReader(kind.api, "m", NONCE, kind.answers))
    assert usual == found


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
@pytest.mark.parametrize("first", range(len(odd_payloads(KINDS[-1]))))
def test_both_ways_tell_the_same_of_what_is_odd(kind: Kind, first: int) -> None:
    odd, usual = odd_payloads(kind), chunk(event(kind, b"two", b"12") + b"\n\n")
    first %= len(odd)
    end = chunk(usage_of(kind) + b"\n\ndata: [DONE]\n\n") + END
    done = chunk(b"data: [DONE]\n\n") + END
    # Every pair of a kind would take a minute: each one is tried with a third of the others.
    for second in odd[first % 3 :: 3]:
        both([HEAD, usual, chunk(odd[first]), chunk(second), chunk(odd[first]) + usual, end], kind)
        both([HEAD, usual, chunk(odd[first]), chunk(second), chunk(odd[first]) + usual, done], kind)
        both([HEAD, usual, chunk(odd[first]), chunk(second) + usual, end], kind)
    both([HEAD, usual, end[: -len(END)], chunk(odd[first]), END], kind)
    both([HEAD, usual, end[: -len(END)], usual, chunk(odd[first]), END], kind)
    both([HEAD, chunk(odd[first]), chunk(odd[first]) + usual, end], kind)


@pytest.mark.parametrize("before", [b"1", b"0", b"%x\r\nx\r\n", b"%x\r\n"])
@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_what_looks_like_a_chunk_within_another_is_none(kind: Kind, before: bytes) -> None:
    usual = chunk(event(kind, b"two") + b"\n\n")
    before = before % (len(usual) + 3) if b"%" in before else before
    end = chunk(usage_of(kind) + b"\n\n")
    end += chunk(b"data: [DONE]\n\n") + END
    for reads in (
        [usual, before, usual, b"\r\n", usual, end],
        [usual, usual + before, usual, b"\r\n", end],
        [usual, before, usual, usual, usual, end],
    ):
        both([HEAD, *reads], kind)


FORMS = [b"%x\r\n"] * 12 + [b"%X\r\n", b"0%x\r\n", b"%x;a=b\r\n", b"%x \r\n", b"%d\r\n", b"+%x\r\n"]
SOME_IDS = st.sampled_from([b"5", b"128001", b"12, 7", b"3"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from([" the", "é", "\\"])


@st.composite
def responses(draw: st.DrawFn) -> tuple[Kind, list[bytes]]:
    """Draw the chunks of a response: mostly events of one form, in chunks of their own."""
    kind, ascii_only = draw(st.sampled_from(KINDS)), draw(st.booleans())
    newline = draw(st.sampled_from([b"\n\n", b"\n\n", b"\r\n\r\n", b"\n"]))
    contents = [
        json.dumps(text, ensure_ascii=ascii_only)[1:-1] for text in draw(st.lists(TEXTS, max_size=12))
    ]
    payloads = [event(kind, content.encode(), draw(SOME_IDS)) + newline for content in ["first", *contents]]
    for odd in draw(st.lists(st.sampled_from(odd_payloads(kind)), max_size=2)):
        payloads.insert(draw(st.integers(0, len(payloads))), odd)
    payloads += [
        usage_of(kind) + newline,
        b"data: [DONE]" + newline,
    ]
    if draw(st.integers(0, 3)) == 0:
        joined = b"".join(payloads)
        cuts = sorted(draw(st.sets(st.integers(1, len(joined) - 1), max_size=6)))
        payloads = [joined[a:b] for a, b in zip([0, *cuts], [*cuts, len(joined)], strict=True)]
    forms = st.sampled_from(FORMS) if draw(st.integers(0, 3)) == 0 else st.just(FORMS[0])
    chunks = [chunk(payload, draw(forms)) for payload in payloads]
    end = draw(st.sampled_from([END, END, END, b"", b"\r\n", END + HEAD, b"0\r\nA: b\r\n\r\n"]))
    return kind, [HEAD, *chunks, end]


@settings(max_examples=300, deadline=None)
@given(responses(), st.data())
def test_both_ways_tell_the_same_however_it_is_cut(
    response: tuple[Kind, list[bytes]], data: st.DataObject
) -> None:
    kind, chunks = response
    whole = b"".join(chunks)
    if data.draw(st.integers(0, 2)):
        ends = [sum(map(len, chunks[: number + 1])) for number in range(len(chunks) - 1)]
        cuts = [end for end in ends if data.draw(st.integers(0, 5))]
    else:
        cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=12)))
    both([whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if b > a], kind)


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
@pytest.mark.parametrize("together", [1, 3, 200])
@pytest.mark.parametrize("newline", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("prompt", [5, 100, 5000])
def test_the_usual_form_passes_by_the_parser(kind: Kind, together: int, newline: bytes, prompt: int) -> None:
    words = ["The", " ü", ' "quoted"', "\n", " \\ ", "🥾"] * 20
    contents = [
        json.dumps(word, ensure_ascii=number % 2 > 0)[1:-1].encode() for number, word in enumerate(words)
    ]
    payloads = [event(kind, each, b"%d" % number) for number, each in enumerate(contents)]
    if kind.of_tokens:  # as vLLM begins
        ids = b'"prompt_token_ids": [%b]' % b", ".join([b"1"] * prompt)
        payloads[0] = payloads[0].replace(b'"prompt_token_ids": null', ids)
    chunks = [chunk(payload + newline) for payload in payloads]
    usage = chunk(event(kind, b"", choices=[], usage={"completion_tokens": 120}) + newline)
    groups = [b"".join(chunks[start : start + together]) for start in range(2, len(chunks), together)]
    reads = [HEAD, *chunks[:2], *groups, usage + chunk(b"data: [DONE]" + newline) + END]
    reader = AnswerReader(kind.api, "m", NONCE, kind.answers)
    ((answer, status, size, again, first, _),), parsed = received(reads, reader)
    expected, begun = "".join(words).encode(), "The"
    if kind.of_tokens:
        expected, begun = packed(range(120)), packed([0])
    assert (answer.outcome, answer.text) == (RequestOutcome.OK, expected)
    assert (status, size, again, first) == (200, sum(map(len, reads)), True, begun)
    # The second event is the first of its form where the first one has the prompt's ids.
    learned = len(chunks[0]) + (len(chunks[1]) if kind.of_tokens else 0)
    assert parsed == len(HEAD) + learned + len(reads[-1])
