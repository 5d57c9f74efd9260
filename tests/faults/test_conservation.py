"""Conservation over random fault schedules: workers and the system under test as they are, in threads.

Whatever the server does to each request: LoadGen gets each sample back exactly once, each has one record,
each was sent at most once, and its outcome is that of what the server did. Where answers are streamed token
ids, LoadGen gets one first token before each completion.
"""

import contextlib
import ctypes
import json
import random
import select
import socket
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from injection.actions import BAD, GOOD, ODD, Action, Answer, Schedule, act
from injection.history import complaints_of_outcomes
from injection.scripted import ScriptedServer

from weighbridge.client.answer_sample import AnswerSample
from weighbridge.client.frames import RECORD, Record, RequestOutcome, WorkerJob
from weighbridge.client.worker import Worker
from weighbridge.client.written_file import WrittenFile
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.loadgen import completions as telling
from weighbridge.loadgen.sut import SystemUnderTest
from weighbridge.records.store_manifest import MANIFEST_FILE, StoreManifest, StoreOrigin
from weighbridge.requests.sent_form import SentForm
from weighbridge.requests.store import RequestStore, write_store

KINDS = {"messages": False, "streamed token ids": True}
SAMPLES = 24
TEXTS = {number: f"answer {number} " + "x" * number for number in range(SAMPLES)}
LIMIT_S = 1.5  # of a request where some hang, which costs this much
LONG_LIMIT_S = 30.0  # where none does: a busy machine is slow, not wrong
QUICK = [name for name in (*GOOD, *GOOD, *BAD, *ODD) if "hang" not in name]
NAMES = st.sampled_from(QUICK)


def ids_of(sample: int) -> tuple[int, ...]:
    return (sample, (1 << 31) - 1, *range(sample + 1))


def right_answer(sample: int, of_tokens: bool) -> bytes:
    return array("i", ids_of(sample)).tobytes() if of_tokens else TEXTS[sample].encode()


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def of_tokens(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, of_tokens: bool) -> Path:
    folder = tmp_path_factory.mktemp("conservation") / "store"
    prefix, suffix = ('{"model":"tiny","prompt":', "}") if of_tokens else ('{"model":"tiny","messages":', "}")

    def body(number: int) -> bytes:
        message = json.dumps([{"role": "user", "content": f"sample {number}"}])
        prompt = json.dumps([5, 6, number]) if of_tokens else message
        return f"{prefix}{prompt}{suffix}".encode()

    origin = StoreOrigin(
        benchmark="b",
        api=Api.COMPLETIONS if of_tokens else Api.CHAT,
        answers=AnswerKind.TOKENS if of_tokens else AnswerKind.TEXT,
        streamed=(prefix, ',"stream":true}') if of_tokens else None,
        model_name="tiny",
        settings=RequestSettings(),
        prefix=prefix,
        suffix=suffix,
    )
    write_store(folder, map(body, range(SAMPLES)), lambda: origin)
    return folder


@pytest.fixture(scope="module")
def server(store: Path, of_tokens: bool) -> Iterator[ScriptedServer]:
    requests = RequestStore.open(store, streamed=of_tokens)
    known = {requests.sent(number): (number, TEXTS[number]) for number in range(SAMPLES)}
    ids = ids_of if of_tokens else None
    with ScriptedServer(known, Schedule(0, 0).action, warmups=0, token_ids=ids) as running:
        yield running


class Driven:
    """One run of all samples through workers in threads, and what LoadGen was told."""

    def __init__(self, url: str, store: Path, connections: int, turns: int, limit_s: float) -> None:
        folder = store.parent
        manifest = StoreManifest.read(store / MANIFEST_FILE)
        of_tokens = manifest.answers is AnswerKind.TOKENS
        form = SentForm.of(manifest, store, streamed=of_tokens)
        records, errors = (WrittenFile(str(folder / name)) for name in ("requests.bin", "errors.jsonl"))
        # One worker alone: two in one process would overwrite each other's receive buffer.
        pairs = [socket.socketpair()]
        threads = [
            threading.Thread(
                target=self._work,
                args=(self._job(number, theirs.detach(), url, store, connections, manifest, form, limit_s),),
                daemon=True,
            )
            for number, (_, theirs) in enumerate(pairs)
        ]
        for thread in threads:
            thread.start()
        none = AnswerSample(None, 0.5)
        self.sut = SystemUnderTest(
            [ours for ours, _ in pairs],
            [url],
            records,
            errors,
            none,
            token_latencies=of_tokens,
            wants_first_tokens=of_tokens,
        )
        try:
            self.sut.await_workers()
            self._issue(turns)
        finally:
            for link in self.sut.links:
                link.hang_up()
            for thread in threads:
                thread.join(10)
            for ours, _ in pairs:
                ours.close()
        assert not any(thread.is_alive() for thread in threads)
        records.close()
        errors.close()
        data = (folder / "requests.bin").read_bytes()
        self.lines = (folder / "errors.jsonl").read_text().splitlines()
        self.records = [Record._make(fields) for fields in RECORD.iter_unpack(data)]

    @staticmethod
    def _job(
        number: int,
        control_fd: int,
        url: str,
        store: Path,
        connections: int,
        manifest: StoreManifest,
        form: SentForm,
        limit_s: float,
    ) -> WorkerJob:
        return WorkerJob(
            number=number,
            store=str(store),
            endpoints=[url],
            api=manifest.api,
            answers=manifest.answers,
            first_tokens=form.stream,
            before=form.before.decode(),
            after=form.after.decode(),
            cut_start=form.cut_start,
            cut_end=form.cut_end,
            api_key_env=None,
            connections=connections,
            connect_timeout_s=2,
            request_timeout_s=limit_s,
            stream=form.stream,
            model="tiny",
            nonce="f4017",
            control_fd=control_fd,
        )

    @staticmethod
    def _work(job: WorkerJob) -> None:
        worker = Worker(job)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # as the worker's main does
                worker.run()
        finally:  # what ends with a process elsewhere
            for connection in (*worker._connections.values(), *worker._retired):
                connection.close()
            worker._backlog.close()
            worker._epoll.close()
            worker._control.close()

    def _issue(self, turns: int) -> None:
        """Issue all samples in some turns, and collect until all are back."""
        step = -(-SAMPLES // turns)
        deadline = time.monotonic() + 60
        for start in range(0, SAMPLES, step):
            numbers = list(range(start, min(SAMPLES, start + step)))
            self.sut.issue([1000 + number for number in numbers], numbers)
            self._collect(0.0)
        while self.sut.completed < SAMPLES and time.monotonic() < deadline:
            self._collect(0.05)

    def _collect(self, wait_s: float) -> None:
        by_fd = {link.socket.fileno(): link for link in self.sut.links}
        for fd in select.select(list(by_fd), [], [], wait_s)[0]:
            self.sut.collect(by_fd[fd])


Told = tuple[str, int, bytes, int]
"""What LoadGen was told: first token or completion, its id of the sample, the payload, the tokens."""


@pytest.fixture(scope="module")
def completions() -> Iterator[list[Told]]:
    """Take LoadGen's place: every first token and every completion with its payload."""
    told: list[Told] = []

    def response(number: int, address: int, size: int, tokens: int) -> tuple[int, bytes, int]:
        return number, ctypes.string_at(address, size) if size else b"", tokens

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telling, "QuerySampleResponse", response)
        for name, kind in (("FirstTokenComplete", "first"), ("QuerySamplesComplete", "done")):
            patch.setattr(telling, name, lambda got, kind=kind: told.extend((kind, *each) for each in got))
        yield told


def complaints_of_tokens(told: Sequence[Told], outcomes: dict[int, str]) -> list[str]:
    """Return what LoadGen would not bear: it needs one first token before each completion, and two tokens."""
    found, begun = [], dict[int, bytes]()
    for kind, number, payload, tokens in told:
        sample = number - 1000
        if kind == "first":
            if sample in begun:
                found.append(f"sample {sample} has two first tokens")
            begun[sample] = payload
            continue
        right = outcomes.get(sample) == "ok"
        if sample not in begun:
            found.append(f"sample {sample} has no first token before its end")
        elif right and not (begun[sample] and payload.startswith(begun[sample])):
            found.append(f"sample {sample} has the first token {begun[sample]!r}")
        if tokens != (len(ids_of(sample)) if right else 2):
            found.append(f"sample {sample} has {tokens} tokens")
    return found


def complaints(
    server: ScriptedServer,
    store: Path,
    told: list[Told],
    names: Sequence[str],
    seed: int,
    of_tokens: bool,
) -> list[str]:
    """Drive one schedule; return what was wrong."""
    draw = random.Random(seed)

    def decide(sample: int, answer: Answer) -> Action:
        return act(names[sample], answer, random.Random(seed + sample))

    told.clear()
    server.begin(decide, warmups=0)
    limit_s = LIMIT_S if any("hang" in name for name in names) else LONG_LIMIT_S
    driven = Driven(server.url, store, draw.choice((1, 3, 8)), draw.choice((1, 4, SAMPLES)), limit_s)
    server.hang_up()
    outcomes = {record.sample: RequestOutcome(record.outcome).label for record in driven.records}
    found = complaints_of_outcomes(server.log, outcomes)
    failed = sum(outcome != "ok" for outcome in outcomes.values())
    done = [(number, payload) for kind, number, payload, _ in told if kind == "done"]
    if of_tokens:
        found += complaints_of_tokens(told, outcomes)
    for name, value, expected in (
        ("aborted", driven.sut.aborted, None),
        ("completions", sorted(number for number, _ in done), list(range(1000, 1000 + SAMPLES))),
        ("records", sorted(record.sample for record in driven.records), list(range(SAMPLES))),
        ("issued", driven.sut.issued, SAMPLES),
        ("completed", driven.sut.completed, SAMPLES),
        ("failed", driven.sut.failed.total(), failed),
        ("lines of errors.jsonl", len(driven.lines), failed),
    ):
        if value != expected:
            found.append(f"{name}: {value}, not {expected}")
    if found:
        found += driven.lines
    for number, text in done:
        sample = number - 1000
        expected_text = right_answer(sample, of_tokens) if outcomes.get(sample) == "ok" else b""
        if text != expected_text:
            found.append(f"sample {sample} has the answer {text[:30]!r}")
    return found


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(names=st.lists(NAMES, min_size=SAMPLES, max_size=SAMPLES), seed=st.integers(0, 1 << 30))
def test_every_sample_comes_back_once_and_as_the_server_treated_it(
    server: ScriptedServer,
    store: Path,
    completions: list[Told],
    of_tokens: bool,
    names: list[str],
    seed: int,
) -> None:
    assert complaints(server, store, completions, names, seed, of_tokens) == []


@pytest.mark.parametrize("name", [*GOOD, *BAD, *ODD])
def test_every_way_to_answer_alone(
    server: ScriptedServer, store: Path, completions: list[Told], of_tokens: bool, name: str
) -> None:
    names = ["plain"] * SAMPLES
    names[7] = name
    assert complaints(server, store, completions, names, 7, of_tokens) == []


@pytest.mark.parametrize("group", range(10))
def test_seeded_schedules(
    server: ScriptedServer, store: Path, completions: list[Told], of_tokens: bool, group: int
) -> None:
    """Thirty seeds each: three hundred schedules; of token ids a hundred."""
    for seed in range(30 * group, 30 * group + (10 if of_tokens else 30)):
        draw = random.Random(seed)
        share = draw.choice((0.0, 0.05, 0.2, 0.6))
        # What hangs costs its time limit, so it is in every tenth schedule alone.
        bad = [name for name in (*BAD, *ODD) if seed % 10 == 0 or "hang" not in name]
        names = [draw.choice(bad if draw.random() < share else GOOD) for _ in range(SAMPLES)]
        assert complaints(server, store, completions, names, seed, of_tokens) == [], seed
