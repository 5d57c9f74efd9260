"""Runs of conversations against real servers: what is sent when, and how runs end early."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conversing import hand_made, run, simple, single_turns
from endpoint import ECHO, End, Endpoint, Step, answer, chunked, events, http
from simulating import any_length

from weighbridge.client.conversation_schedule import TURN_BITS
from weighbridge.config.load_level import GammaArrivals, LoadLevel, Trace
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.run_phase import RunPhase
from weighbridge.requests.turns import TURN_TYPE
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store
from weighbridge.simulate.behaviour import Behaviour

EARLY_S = 30  # in which a run that would take minutes is ended; its limit is seconds where the cores are free
MOST_LATE_S = 0.5  # of a request after its time, on a busy machine


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
