"""Runs of conversations against real servers: what is sent when, and how runs end early."""

import json
import os
import re
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from endpoint import ECHO, End, Endpoint, Step, answer, chunked, events, http
from simulating import any_length
from test_load_faults import client_processes, once, process_of

from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.client.conversation_schedule import TURN_BITS
from weighbridge.client.issuer import Target
from weighbridge.client.process_group import SampleCounts
from weighbridge.config.load_level import GammaArrivals, LoadLevel, Trace
from weighbridge.config.settings import ClientSettings
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.records.run_record import LoadReport
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.bodies import BODIES_FILE, INDEX_FILE
from weighbridge.requests.holes import HOLES_FILE
from weighbridge.requests.run_phase import RunPhase
from weighbridge.requests.sent_form import SentForm
from weighbridge.requests.sent_requests import SentRequests
from weighbridge.requests.turns import TURN_TYPE, Turns
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.simulate.behaviour import Behaviour

EARLY_S = 30  # in which a run that would take minutes is ended; its limit is seconds where the cores are free
MOST_LATE_S = 0.5  # of a request after its time, on a busy machine


@dataclass(frozen=True)
class HandMade:
    """Requests that a test wrote by hand."""

    path: Path
    sizes: tuple[int, ...]
    form: SentForm
    model_name: str = "tiny"
    api: Api = Api.CHAT
    answers: AnswerKind = AnswerKind.GENERATED

    def __len__(self) -> int:
        return len(self.sizes)

    def sent_sizes(self) -> Any:
        return np.array(self.sizes) + self.form.longer


BEFORE = b'{"model":"tiny",'
HOLE = b"@hole:"


def hand_made(folder: Path, bodies: Sequence[bytes], *, stream: bool = False) -> HandMade:
    """Write bodies; `@hole:N@` in one stands for the answer to request N."""
    folder.mkdir(parents=True)
    stored, holes = [], []
    for request, body in enumerate(bodies):
        parts = re.split(rb"@hole:(\d+)@", body)
        text = parts[0]
        for answered, more in zip(parts[1::2], parts[2::2], strict=True):
            holes.append((request, len(text), int(answered)))
            text += more
        stored.append(text)
    (folder / BODIES_FILE).write_bytes(b"".join(stored))
    ends = np.cumsum([0, *map(len, stored)])
    (folder / INDEX_FILE).write_bytes(ends.astype("<i8").tobytes())
    (folder / HOLES_FILE).write_bytes(b"".join(struct.pack("<3q", *hole) for hole in holes))
    return HandMade(folder, tuple(map(len, stored)), SentForm(stream, ("", ""), BEFORE))


def single_turns(counts: tuple[int, int, int], rate: float = 100) -> Turns:
    turns = np.zeros(sum(counts), dtype=TURN_TYPE)
    turns["request"] = turns["conversation"] = np.arange(len(turns))
    turns["phase"] = np.repeat(list(RunPhase), counts)
    turns["due_s"] = np.arange(len(turns)) / rate
    return turns


def simple(folder: Path, count: int, *, stream: bool = False) -> HandMade:
    bodies = [b'"messages":[{"role":"user","content":"sample %d"}]}' % number for number in range(count)]
    return hand_made(folder, bodies, stream=stream)


def run(
    requests: SentRequests,
    url: str,
    out: Path,
    turns: Turns,
    level: LoadLevel,
    observe: Callable[[SampleCounts], str | None] | None = None,
    *,
    error_abort: float = 0.05,
    seconds: float | None = None,
    **client: object,
) -> tuple[LoadReport, pd.DataFrame]:
    """Run conversations; return the report, and the rows by their number."""
    issuer = ConversationIssuer("test", level, turns, error_abort=error_abort, seconds=seconds)
    issuer.check()
    settings = ClientSettings.parse({"connections": 64, "workers": 2, **client}, "test")
    report = issuer.issue(Target((url,), requests, settings), out, observe)
    assert not client_processes()
    left = {path.name for path in out.iterdir()}
    assert left - {"requests.bin"} == {"requests.parquet", "errors.jsonl"}
    rows = pd.read_parquet(out / "requests.parquet").sort_values("number", ignore_index=True)
    rows["serial"], rows["turn"] = rows.number // (1 << TURN_BITS), rows.number % (1 << TURN_BITS)
    return report, rows


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with any_length(Behaviour(servers=8, distribution="exponential", mean_s=0.01), "tiny") as url:
        yield url


def trace_file(folder: Path) -> Trace:
    path = folder / "trace.jsonl"
    path.write_text("".join(f'{{"timestamp_s": {number**1.5 / 400}}}\n' for number in range(60)))
    return Trace(file=path)


LEVELS = {
    "closed": lambda _: LoadLevel(closed=6),
    "poisson": lambda _: LoadLevel(poisson=150),
    "constant": lambda _: LoadLevel(constant=150),
    "gamma": lambda _: LoadLevel(gamma=GammaArrivals(rate=150, burstiness=0.3)),
    "trace": lambda folder: LoadLevel(trace=trace_file(folder)),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", LEVELS)
def test_each_conversation_is_issued_in_its_order_and_time(
    kind: str, stream: bool, server: str, tmp_path: Path
) -> None:
    level = LEVELS[kind](tmp_path)
    counts = PhaseCounts(warmup=10, measured=40, cooldown=5)
    workload = Workload.parse(
        {"name": "w", "output_tokens": {"uniform": [2, 6]}, "turns": {"uniform": [1, 3]}, "stream": stream}
        | {"think_time_s": {"uniform": [0.0, 0.02]}},
        "test",
    )
    build_workload_store(workload, [SliceSpec(1, 1, level, counts)], tmp_path / "store")
    store = WorkloadStore.open(tmp_path / "store")
    turns = store.slice(1, level.name)
    report, rows = run(store.sent_as("tiny"), server, tmp_path / "run", turns, level)
    assert (report.aborted, report.failed, report.not_issued) == (None, {}, 0)
    assert report.issued == report.completed == len(rows)

    # All of warm-up and measurement exactly once; what came again is of the cool-down.
    needed = turns[turns["phase"] != RunPhase.COOLDOWN]
    once_each = Counter(rows["sample"][rows["sample"].isin(needed["request"])])
    assert once_each == Counter(needed["request"].tolist())
    first = rows[rows.turn == 0].set_index("serial").planned_ns
    if level.open:
        due_ns = turns["due_s"][turns["turn"] == 0] * 1e9
        known = first[first.index < counts.warmup + counts.measured]
        origin = known.iloc[0] - due_ns[0]
        assert np.abs(known - origin - due_ns[: len(known)]).max() <= 2
    else:
        assert first.is_monotonic_increasing
        starts, ends = rows.groupby("serial").sent_ns.min(), rows.groupby("serial").end_ns.max()
        at_once = [((starts <= start) & (ends > start)).sum() for start in starts]
        assert max(at_once) == 6

    # Later turns: after the answer and the think time, by the same worker.
    think_ns = dict(zip(turns["request"].tolist(), (turns["think_s"] * 1e9).tolist(), strict=True))
    before = rows.shift(1)
    later = rows[(rows.turn > 0)]
    waited = later.planned_ns - before.end_ns[later.index] - later["sample"].map(think_ns)
    assert (rows.worker[later.index] == before.worker[later.index]).all()
    assert waited.abs().max() <= 2_000  # ns: floats of 64 bits hold a boot's time so well
    late_s = (rows.sent_ns - rows.planned_ns) / 1e9
    assert 0 <= late_s.min() <= late_s.median() < MOST_LATE_S

    assert (
        rows.tokens == rows["sample"].map(dict(zip(turns["request"], turns["target_tokens"], strict=True)))
    ).all()
    assert ((rows.sent_ns <= rows.first_byte_ns) & (rows.first_byte_ns <= rows.first_ns)).all()
    assert ((rows.first_ns <= rows.last_ns) & (rows.last_ns <= rows.end_ns)).all()
    assert (rows.chunks.max() > 1) == stream
    assert rows.chunks.min() >= 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_later_turns_repeat_what_the_server_itself_said(stream: bool, tmp_path: Path) -> None:
    """Answers are all different, also those to the same request of a conversation that comes again."""
    length, bodies = 3, []
    for request in range(8 * length):
        messages = [{"role": "system", "content": f"sample {request}"}]
        for earlier in range(request - request % length, request + 1):
            messages.append({"role": "user", "content": f"question {earlier} \u20ac"})
            if earlier < request:
                messages.append({"role": "assistant", "content": f"@hole:{earlier}@"})
        text = json.dumps(messages, ensure_ascii=request % 2 == 0, separators=(",", ":"))
        bodies.append(b'"stream":%b,"messages":%b}' % (b"true" if stream else b"false", text.encode()))
    requests = hand_made(tmp_path / "store", bodies, stream=stream)
    turns = np.zeros(len(bodies), dtype=TURN_TYPE)
    turns["request"] = np.arange(len(bodies))
    turns["conversation"], turns["turn"] = np.divmod(turns["request"], length)
    turns["phase"] = np.repeat(list(RunPhase), [2 * length, 4 * length, 2 * length])
    given: list[str] = []

    def script(sample: int) -> list[Step]:
        text = f'"{len(given)}" \\ to\n{sample} \u00e9\u2028\U0001f600'
        given.append(text)
        slow = 0.05 if sample == 2 * length else 0.0
        if stream:
            return [slow, chunked(events(text[:3], text[3:]))]
        return [slow, *answer(text)]

    with Endpoint(script) as endpoint:
        report, rows = run(
            requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=4), connections=8
        )
    assert (report.aborted, report.failed) == (None, {})
    assert len(rows) > len(bodies)  # cool-down conversations came again
    numbers = [int(re.search(rb"X-Request-Id: [0-9a-f]{16}(\d+)z", head)[1]) for head in endpoint.heads]  # type: ignore[index]
    said = dict(zip(numbers, given, strict=True))
    seen = 0
    for number, body in zip(numbers, endpoint.bodies, strict=True):
        messages = json.loads(body)["messages"]
        sample = int(messages[0]["content"].split()[1])
        earlier = [each["content"] for each in messages if each["role"] == "assistant"]
        turn = number & ((1 << TURN_BITS) - 1)
        assert turn == sample % length == len(earlier)
        assert earlier == [said[number - turn + before] for before in range(turn)]
        questions = [each["content"] for each in messages if each["role"] == "user"]
        assert questions == [f"question {sample - turn + at} \u20ac" for at in range(turn + 1)]
        seen += len(earlier)
    assert seen > 3 * 8 - 3


def test_a_failed_turn_ends_its_conversation(tmp_path: Path) -> None:
    requests = simple(tmp_path / "store", 40)
    turns = single_turns((0, 40, 0))
    turns["conversation"], turns["turn"] = np.divmod(np.arange(40), 4)
    with Endpoint(lambda sample: [http(b"no", 503)] if sample == 5 else answer("x")) as endpoint:
        report, rows = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=3))
    assert (report.aborted, report.failed, report.not_issued) == (None, {"http_status": 1}, 2)
    assert sorted(rows["sample"]) == [*range(6), *range(8, 40)]
    [error] = (tmp_path / "run" / "errors.jsonl").read_text().splitlines()
    assert json.loads(error)["sample"] == 5


@pytest.mark.parametrize("level", [LoadLevel(closed=4), LoadLevel(constant=100)], ids=["closed", "open"])
def test_fillers_that_are_cut_off_are_no_failures(level: LoadLevel, tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 30), single_turns((2, 18, 10))
    with Endpoint(lambda sample: [0.0 if sample < 20 else End.HANG, *answer("x")]) as endpoint:
        report, rows = run(requests, endpoint.url, tmp_path / "run", turns, level)
    assert (report.aborted, report.failed, report.issued) == (None, {}, 20)
    assert sorted(rows["sample"]) == list(range(20))
    assert report.cut_off == len(endpoint.seen) - 20
    assert level.open or 1 <= report.cut_off <= 3


def test_a_run_of_some_seconds_ends_in_order(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 2000), single_turns((0, 2000, 0))
    with Endpoint(lambda _: [0.05, *answer("x")]) as endpoint:
        began_s = time.monotonic()
        report, rows = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=4), seconds=0.6)
        assert time.monotonic() - began_s < EARLY_S
    assert (report.aborted, report.failed) == (None, {})
    assert 0 < len(rows) <= 4 * 0.7 / 0.05


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_only_a_comparison_takes(stream: bool, tmp_path: Path) -> None:
    """Reasoning counts as output; usage may be missing; a forced length may have no text."""
    requests, turns = simple(tmp_path / "store", 3, stream=stream), single_turns((0, 3, 0))
    usage = {"completion_tokens": 4, "prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 6}}
    said: list[dict[str, Any]] = [{"reasoning_content": "why"}, {"content": "x"}, {"content": ""}]
    told: list[dict[str, Any]] = [{"usage": usage}, {}, {"usage": usage | {"prompt_tokens_details": None}}]

    def script(sample: int) -> list[Step]:
        common = {"id": f"chatcmpl-{ECHO}", "model": "tiny"}
        if not stream:
            choice = {"message": {"content": None} | said[sample], "finish_reason": "length"}
            return [http(json.dumps(common | {"choices": [choice]} | told[sample]).encode())]
        parts = [common | {"choices": [{"delta": said[sample], "finish_reason": None}]}]
        parts.append(common | {"choices": [], **told[sample]})
        lines = [*(f"data: {json.dumps(part)}\n\n" for part in parts), "data: [DONE]\n\n"]
        return [chunked(*(line.encode() for line in lines))]

    with Endpoint(script) as endpoint:
        report, rows = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=1), workers=1)
    assert (report.aborted, report.failed) == (None, {})
    assert rows.tokens.tolist() == [4, -1, 4]
    assert rows.cached_tokens.tolist() == [6, -1, -1]
    assert rows.chunks.tolist() == [1, 1, 0]
    assert (rows.first_ns > 0).tolist() == [True, True, not stream]


def test_twenty_failures_in_a_row_end_the_run(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 500), single_turns((0, 500, 0))
    with Endpoint(lambda _: [http(b'{"error": "out of memory"}', 500)]) as endpoint:
        report, rows = run(
            requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=2), error_abort=1.0
        )
    assert report.aborted == ('20 requests in a row failed, 20 as http_status: {"error": "out of memory"}')
    assert report.failed["http_status"] == 20
    assert len(rows) == report.issued == report.failures <= 24


def test_too_many_failures_of_the_first_hundred_end_the_run(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 500), single_turns((0, 500, 0))
    with Endpoint(lambda sample: [http(b"no", 429)] if sample % 10 == 3 else answer("x")) as endpoint:
        report, _ = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=1))
    assert report.aborted == "6 of the first 54 requests failed, 6 as http_status: no"


def test_fewer_failures_do_not(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 200), single_turns((0, 200, 0))
    with Endpoint(lambda sample: [http(b"no", 429)] if sample % 20 == 3 else answer("x")) as endpoint:
        report, _ = run(requests, endpoint.url, tmp_path / "run", turns, LoadLevel(closed=2))
    assert (report.aborted, report.failed, report.completed) == (None, {"http_status": 10}, 190)


def _kill_worker() -> None:
    process_of("client.worker").kill()


def _kill_issuer() -> None:
    process_of("client.issuing_process").kill()


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


ENDS = [
    (_kill_worker, "worker 0 was killed by SIGKILL"),
    (_kill_issuer, "the issuer's process was killed by SIGKILL"),
    (_interrupt, "interrupted"),
    ("die", "cannot be reached|requests in a row failed|of the first"),
]


@pytest.mark.parametrize("level", [LoadLevel(closed=4), LoadLevel(constant=50)], ids=["closed", "open"])
@pytest.mark.parametrize(("end", "reason"), ENDS, ids=["worker", "issuer", "Ctrl-C", "server"])
def test_a_run_that_is_broken_ends_with_a_reason(
    end: Callable[[], None] | str, reason: str, level: LoadLevel, tmp_path: Path
) -> None:
    requests, turns = simple(tmp_path / "store", 6000), single_turns((0, 6000, 0), rate=50)
    with Endpoint(lambda _: [0.1, *answer("x")]) as endpoint:
        act = endpoint.die if end == "die" else end
        assert callable(act)
        began_s = time.monotonic()
        with once(lambda: len(endpoint.seen) > 20, act):
            report, rows = run(
                requests, endpoint.url, tmp_path / "run", turns, level, workers=1, connect_timeout_s=2
            )
        assert time.monotonic() - began_s < EARLY_S
    assert re.search(reason, str(report.aborted)), report.aborted
    if end != _kill_issuer:
        assert report.failed.get("aborted", 0) + report.completed <= len(rows)
        assert len(rows) == report.issued
        assert not (tmp_path / "run" / "requests.bin").exists()


def test_fewer_connections_than_conversations_are_refused(tmp_path: Path) -> None:
    requests, turns = simple(tmp_path / "store", 10), single_turns((0, 10, 0))
    with pytest.raises(InputError, match=r"client\.connections is 64, too few for 65 conversations at once"):
        run(requests, "http://127.0.0.1:9", tmp_path / "run", turns, LoadLevel(closed=65))
    with pytest.raises(InputError, match="holds 10 requests, and request 10 is to be sent"):
        run(requests, "http://127.0.0.1:9", tmp_path / "run", single_turns((0, 11, 0)), LoadLevel(closed=1))
    turns["due_s"] = np.nan
    with pytest.raises(InputError, match="have no due times"):
        run(requests, "http://127.0.0.1:9", tmp_path / "run", turns, LoadLevel(poisson=3))
    with pytest.raises(InputError, match="no conversation to measure"):
        run(requests, "http://127.0.0.1:9", tmp_path / "run", single_turns((3, 0, 7)), LoadLevel(closed=1))
