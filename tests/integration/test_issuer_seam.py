"""A session measures with any issuer: here one of the test itself, without LoadGen or our workers."""

import errno
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from driving import small_round, small_store
from simulating import simulated

from weighbridge.artifacts.proof import Proof
from weighbridge.client.issuer import IssuePlan, Target
from weighbridge.client.sample_counts import Observe, SampleCounts, Stop
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, InvalidRunError, SetupError
from weighbridge.core.files import sha256_of
from weighbridge.core.openai_api import Api
from weighbridge.records.progress_record import Phase
from weighbridge.records.run_record import RUN_RECORD, Delay, LoadReport, RunRecord
from weighbridge.run.execute import execute
from weighbridge.run.session import Setup
from weighbridge.simulate.behaviour import Behaviour

SAMPLES = 5
OWN_LOG = "own.log"


class OneByOne:
    """Sends each request of the store once."""

    official_client = None
    evidence = (OWN_LOG, "never-written.log")
    plan = IssuePlan("one by one", "walk", Mode.PERFORMANCE, False, 10, SAMPLES, SAMPLES / 10, None)

    def __init__(self, refusal: str | None = None) -> None:
        self.refusal = refusal

    def check(self) -> None:
        if self.refusal is not None:
            raise SetupError(self.refusal)

    def issue(self, target: Target, out: Path, observe: Observe, stop: Stop) -> LoadReport:
        out.mkdir(parents=True, exist_ok=True)
        api, started_s, texts = target.requests.manifest.api, time.monotonic(), []
        aborted = None
        for number in range(SAMPLES):
            body = bytes(target.requests.body(number))
            with urllib.request.urlopen(f"{target.endpoints[0]}{api.path}", body) as response:
                texts.append(json.load(response)["choices"][0]["text"])
            aborted = observe(SampleCounts(number + 1, number + 1, 0)) or stop()
            if aborted:
                break
        (out / OWN_LOG).write_text("\n".join(texts))
        return LoadReport(
            issued=len(texts),
            completed=len(texts),
            failed={},
            empty=0,
            aborted=aborted,
            requested_qps=10,
            achieved_qps=len(texts) / (time.monotonic() - started_s),
            schedule_delay=Delay(p50_s=0, p99_s=0, max_s=0),
            client_cpu_s=0,
            client_cpu_us_per_request=0,
            peak_rss_bytes={},
            in_flight=(),
            sent_bytes=0,
            received_bytes=0,
            started="",
            ended="",
            loadgen_version="",
            settings={},
        )


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def enter(self, phase: Phase, /) -> None:
        self.seen.append(phase)

    def starting(self, stage: str, /) -> None:
        self.seen.append(stage)

    def measure(self, plan: IssuePlan, _out: Path, _connections: int, /) -> Callable[[SampleCounts], None]:
        self.seen.append(plan.label)
        return lambda counts: self.seen.append(counts.completed)

    def measured(self, report: LoadReport, /) -> None:
        self.seen.append(report.aborted)

    @contextmanager
    def observing(self, _folder: Path, label: str) -> Iterator["Notes"]:
        self.seen.append(label)
        yield self


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    folder = tmp_path_factory.mktemp("seam")
    store = small_store(folder / "store", SAMPLES, api=Api.COMPLETIONS)
    proof = Proof(kind="model", folder=folder, repo=None, revision=None, manifest_digest="0" * 64, files=())
    with simulated(Behaviour()) as url:
        server = ServerSettings(model_name="tiny", endpoints=(url,), warmup_requests=2)
        yield Setup(small_round(SAMPLES), server, ClientSettings(), proof, store)


def test_the_record_names_what_the_issuer_did_and_the_observer_sees_it(setup: Setup, tmp_path: Path) -> None:
    notes = Notes()
    execute(setup, OneByOne(), tmp_path, notes.observing)
    record = RunRecord.read(tmp_path / RUN_RECORD)
    assert (record.scenario, record.mode, record.load.completed) == ("walk", Mode.PERFORMANCE, SAMPLES)
    assert record.logs == {OWN_LOG: sha256_of(tmp_path / OWN_LOG)}
    assert record.requests == RequestSettings()
    assert record.envelope == ('{"model":"tiny","prompt":', "}")
    assert notes.seen == ["one by one", Phase.WARMING, "one by one", 1, 2, 3, 4, 5, None]


def test_the_record_has_what_the_log_of_a_users_server_reports(setup: Setup, tmp_path: Path) -> None:
    log = tmp_path / "their.log"
    log.write_text("non-default args: {'generation_config': 'vllm'}\n")
    server = setup.server.model_copy(update={"logs": (log,)})
    execute(replace(setup, server=server), OneByOne(), tmp_path / "run")
    record = RunRecord.read(tmp_path / "run" / RUN_RECORD)
    assert record.server.reported_arguments == {"--generation-config": "vllm"}
    execute(setup, OneByOne(), tmp_path / "silent")
    assert RunRecord.read(tmp_path / "silent" / RUN_RECORD).server.reported_arguments is None


def test_an_issuer_that_refuses_ends_the_run_before_a_server_is_asked(setup: Setup, tmp_path: Path) -> None:
    notes = Notes()
    with pytest.raises(SetupError, match="another library"):
        execute(setup, OneByOne("this is another library."), tmp_path, notes.observing)
    assert notes.seen == []


def test_a_run_that_the_issuer_ends_early_does_not_count(setup: Setup, tmp_path: Path) -> None:
    class Ended(OneByOne):
        def issue(self, target: Target, out: Path, observe: Observe, _stop: Stop) -> LoadReport:
            return super().issue(target, out, observe, lambda: "the power failed")

    with pytest.raises(InvalidRunError, match="the power failed"):
        execute(setup, Ended(), tmp_path)
    assert (tmp_path / "aborted" / OWN_LOG).is_file()
    assert not (tmp_path / RUN_RECORD).exists()


def test_what_the_run_did_not_write_stays_where_it_is(setup: Setup, tmp_path: Path) -> None:
    class Ended(OneByOne):
        def issue(self, target: Target, out: Path, observe: Observe, _stop: Stop) -> LoadReport:
            return super().issue(target, out, observe, lambda: "the power failed")

    foreign = ["notes.log", "server-of-mine.log", "my_run.json"]
    for name in foreign:
        (tmp_path / name).write_text("of somebody else")
    (tmp_path / "server-0.log").write_text("of a replica")
    with pytest.raises(InvalidRunError, match="the power failed"):
        execute(setup, Ended(), tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {*foreign}
    assert {path.name for path in (tmp_path / "aborted").iterdir()} >= {OWN_LOG, RUN_RECORD, "server-0.log"}


def test_a_disk_that_is_full_is_told_and_keeps_what_there_is(setup: Setup, tmp_path: Path) -> None:
    class Full(OneByOne):
        def issue(self, target: Target, out: Path, observe: Observe, stop: Stop) -> LoadReport:
            super().issue(target, out, observe, stop)
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SetupError) as caught:
        execute(setup, Full(), tmp_path)
    kept = tmp_path / "aborted"
    said = f"the disk of {tmp_path} is full; make room and repeat"
    assert str(caught.value) == f"{said}; what there is of the run is in {kept}."
    assert (kept / OWN_LOG).is_file()


def test_the_record_names_what_was_sent(setup: Setup, tmp_path: Path) -> None:
    execute(setup, OneByOne(), tmp_path)
    record = RunRecord.read(tmp_path / RUN_RECORD)
    assert record.sent_sha256 == record.store_sha256 == sha256_of(setup.store / "bodies.bin")


def test_a_store_with_one_byte_changed_is_refused_before_anything_is_measured(
    setup: Setup, tmp_path: Path
) -> None:
    store = small_store(tmp_path / "store", SAMPLES, api=Api.COMPLETIONS)
    with (store / "bodies.bin").open("r+b") as stream:
        stream.seek(-5, os.SEEK_END)
        stream.write(b"X")
    notes = Notes()
    with pytest.raises(InputError, match=r"bodies\.bin: changed since it was built"):
        execute(replace(setup, store=store), OneByOne(), tmp_path / "run", notes.observing)
    assert notes.seen in ([OneByOne.plan.label], [OneByOne.plan.label, Phase.WARMING])


def test_a_store_that_changes_during_the_run_is_recorded(setup: Setup, tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", SAMPLES, api=Api.COMPLETIONS)

    class Changing(OneByOne):
        def issue(self, target: Target, out: Path, observe: Observe, stop: Stop) -> LoadReport:
            with (store / "bodies.bin").open("r+b") as stream:
                stream.write(b"[")
            return super().issue(target, out, observe, lambda: "over")

    with pytest.raises(InvalidRunError, match="over"):
        execute(replace(setup, store=store), Changing(), tmp_path / "run")
    record = RunRecord.read(tmp_path / "run" / "aborted" / RUN_RECORD)
    assert record.sent_sha256 == sha256_of(store / "bodies.bin") != record.store_sha256


def test_more_connections_than_open_files_are_refused_before_a_server_starts(
    setup: Setup, tmp_path: Path
) -> None:
    notes = Notes()
    many = replace(setup, client=ClientSettings(connections=5_000_000))
    with pytest.raises(InputError, match=r"client\.connections is 5000000"):
        execute(many, OneByOne(), tmp_path, notes.observing)
    assert notes.seen == []
