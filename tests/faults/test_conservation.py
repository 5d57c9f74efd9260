"""Conservation over random fault schedules: workers and the system under test as they are, in threads.

Whatever the server does to each request: LoadGen gets each sample back exactly once, each has one record,
each was sent at most once, and its outcome is that of what the server did.
"""

import contextlib
import ctypes
import json
import random
import select
import socket
import threading
import time
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
from weighbridge.core.openai_api import Api
from weighbridge.loadgen import completions as telling
from weighbridge.loadgen.sut import SystemUnderTest
from weighbridge.records.store_manifest import StoreOrigin
from weighbridge.requests.store import RequestStore, write_store

SAMPLES = 24
TEXTS = {number: f"answer {number} " + "x" * number for number in range(SAMPLES)}
LIMIT_S = 1.5  # of a request: what hangs costs this much
QUICK = [name for name in (*GOOD, *GOOD, *BAD, *ODD) if "hang" not in name]
NAMES = st.sampled_from(QUICK)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conservation") / "store"
    prefix, suffix = '{"model":"tiny","messages":', "}"

    def body(number: int) -> bytes:
        message = json.dumps([{"role": "user", "content": f"sample {number}"}])
        return f"{prefix}{message}{suffix}".encode()

    origin = StoreOrigin(
        benchmark="b",
        api=Api.CHAT,
        model_name="tiny",
        settings=RequestSettings(),
        prefix=prefix,
        suffix=suffix,
    )
    write_store(folder, map(body, range(SAMPLES)), lambda: origin)
    return folder


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[ScriptedServer]:
    requests = RequestStore.open(store)
    known = {bytes(requests.body(number)): (number, TEXTS[number]) for number in range(SAMPLES)}
    with ScriptedServer(known, Schedule(0, 0).action, warmups=0) as running:
        yield running


class Driven:
    """One run of all samples through workers in threads, and what LoadGen was told."""

    def __init__(self, url: str, store: Path, connections: int, turns: int) -> None:
        folder = store.parent
        records, errors = (WrittenFile(str(folder / name)) for name in ("requests.bin", "errors.jsonl"))
        # One worker alone: two in one process would overwrite each other's receive buffer.
        pairs = [socket.socketpair()]
        threads = [
            threading.Thread(
                target=self._work,
                args=(self._job(number, theirs.detach(), url, store, connections),),
                daemon=True,
            )
            for number, (_, theirs) in enumerate(pairs)
        ]
        for thread in threads:
            thread.start()
        none = AnswerSample(None, 0.5)
        self.sut = SystemUnderTest([ours for ours, _ in pairs], [url], records, errors, none)
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
    def _job(number: int, control_fd: int, url: str, store: Path, connections: int) -> WorkerJob:
        return WorkerJob(
            number=number,
            store=str(store),
            endpoints=[url],
            api=Api.CHAT,
            api_key_env=None,
            connections=connections,
            connect_timeout_s=2,
            request_timeout_s=LIMIT_S,
            stream=False,
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
        deadline = time.monotonic() + 20
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


@pytest.fixture(scope="module")
def completions() -> Iterator[list[tuple[int, bytes]]]:
    """Take LoadGen's place: every completion with its text."""
    told: list[tuple[int, bytes]] = []

    def response(number: int, address: int, size: int, _tokens: int) -> tuple[int, bytes]:
        return number, ctypes.string_at(address, size) if size else b""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telling, "QuerySampleResponse", response)
        patch.setattr(telling, "QuerySamplesComplete", told.extend)
        yield told


def complaints(
    server: ScriptedServer, store: Path, told: list[tuple[int, bytes]], names: Sequence[str], seed: int
) -> list[str]:
    """Drive one schedule; return what was wrong."""
    draw = random.Random(seed)

    def decide(sample: int, answer: Answer) -> Action:
        return act(names[sample], answer, random.Random(seed + sample))

    told.clear()
    server.begin(decide, warmups=0)
    driven = Driven(server.url, store, draw.choice((1, 3, 8)), draw.choice((1, 4, SAMPLES)))
    server.hang_up()
    outcomes = {record.sample: RequestOutcome(record.outcome).label for record in driven.records}
    found = complaints_of_outcomes(server.log, outcomes)
    failed = sum(outcome != "ok" for outcome in outcomes.values())
    for name, value, expected in (
        ("aborted", driven.sut.aborted, None),
        ("completions", sorted(number for number, _ in told), list(range(1000, 1000 + SAMPLES))),
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
    for number, text in told:
        sample = number - 1000
        expected_text = TEXTS[sample].encode() if outcomes.get(sample) == "ok" else b""
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
    completions: list[tuple[int, bytes]],
    names: list[str],
    seed: int,
) -> None:
    assert complaints(server, store, completions, names, seed) == []


@pytest.mark.parametrize("name", [*GOOD, *BAD, *ODD])
def test_every_way_to_answer_alone(
    server: ScriptedServer, store: Path, completions: list[tuple[int, bytes]], name: str
) -> None:
    names = ["plain"] * SAMPLES
    names[7] = name
    assert complaints(server, store, completions, names, 7) == []


@pytest.mark.parametrize("group", range(10))
def test_seeded_schedules(
    server: ScriptedServer, store: Path, completions: list[tuple[int, bytes]], group: int
) -> None:
    """Thirty seeds each: three hundred schedules."""
    for seed in range(30 * group, 30 * group + 30):
        draw = random.Random(seed)
        share = draw.choice((0.0, 0.05, 0.2, 0.6))
        # What hangs costs its time limit, so it is in every tenth schedule alone.
        bad = [name for name in (*BAD, *ODD) if seed % 10 == 0 or "hang" not in name]
        names = [draw.choice(bad if draw.random() < share else GOOD) for _ in range(SAMPLES)]
        assert complaints(server, store, completions, names, seed) == [], seed
