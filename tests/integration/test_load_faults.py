"""What breaks in the middle of a run ends it within seconds, with the reason, and no process is left."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from driving import CASE_NAMES, CASES, Case, Run, beside, run_against, small_round, small_store
from endpoint import End, Endpoint, Step, answer, chunked, events, http
from measuring import run_command
from simulating import simulated

from weighbridge.client import liveness
from weighbridge.client.frames import RECORD
from weighbridge.client.issuer import Target
from weighbridge.client.process_group import ProcessGroup
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.openai_api import Api
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.requests.store import RequestStore
from weighbridge.simulate.behaviour import Behaviour

SCENARIOS = ["offline", "server"]
LONG_S = {"offline": 0.2, "server": 0.2, "singlestream": 0.02}
"""Of an answer, so that some are always open."""
EARLY_S = 30  # of runs that would take a minute or more; seconds, where no other work takes the cores


def client_processes() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any(
                part.startswith(("weighbridge.client.", "weighbridge.loadgen.")) for part in process.cmdline()
            ):
                found.append(process)
    return found


def process_of(module: str) -> psutil.Process:
    return next(p for p in client_processes() if f"weighbridge.{module}" in p.cmdline())


@contextlib.contextmanager
def once(condition: Callable[[], bool], then: Callable[[], object]) -> Iterator[None]:
    """Do something as soon as a condition holds, on a thread beside the run."""

    def watch(over: threading.Event) -> None:
        while not over.wait(0.01):
            if condition():
                then()
                return

    with beside(watch):
        yield


@contextlib.contextmanager
def failing_at(number: signal.Signals) -> Iterator[None]:
    """Make a signal that no run obeys fail the test; it would end pytest."""

    def missed(*_: object) -> None:
        raise AssertionError(f"{number.name} came while no run obeyed it")

    before = signal.signal(number, missed)
    try:
        yield
    finally:
        signal.signal(number, before)


def long_run(
    endpoints: Sequence[Endpoint | str], folder: Path, case: str | Case, **more: object
) -> tuple[Run, float]:
    """Start a run that would take minutes; returns it with the seconds it took."""
    started = time.monotonic()
    options = case.options if isinstance(case, Case) else {"scenario": case}
    run = run_against(
        endpoints,
        folder,
        300,
        **options,
        mode=Mode.PERFORMANCE,
        target_qps=100,
        duration_s=60,
        **more,  # type: ignore[arg-type]
    )
    return run, time.monotonic() - started


def assert_ended_early(run: Run, took_s: float, reason: str) -> None:
    assert run.report.aborted is not None
    assert reason in run.report.aborted
    assert took_s < EARLY_S
    assert run.report.completed + run.report.failures == run.report.issued
    assert run.report.failures > 0
    assert run.errors[-1]["kind"] == "aborted"
    assert run.token_errors == []
    assert (run.out / "mlperf_log_detail.txt").stat().st_size > 0
    assert (run.out / "requests.parquet").is_file()
    assert client_processes() == []


@pytest.mark.parametrize("case", CASES, ids=CASE_NAMES)
def test_a_killed_worker_ends_the_run(case: Case, tmp_path: Path) -> None:
    with (
        Endpoint(lambda _: [LONG_S[case.scenario], *case.answer()]) as endpoint,
        once(lambda: len(endpoint.seen) > 40, lambda: process_of("client.worker").kill()),
    ):
        run, took_s = long_run([endpoint], tmp_path, case, workers=2)
    assert_ended_early(run, took_s, "worker")
    assert "was killed by SIGKILL" in str(run.report.aborted)
    assert run.report.completed > 0


@pytest.mark.parametrize("case", CASES, ids=CASE_NAMES)
def test_a_killed_loadgen_ends_the_run(case: Case, tmp_path: Path) -> None:
    with (
        Endpoint(lambda _: [LONG_S[case.scenario], *case.answer()]) as endpoint,
        once(lambda: len(endpoint.seen) > 40, lambda: process_of("loadgen.loadgen_process").kill()),
    ):
        run, took_s = long_run([endpoint], tmp_path, case)
    assert run.report.aborted == "LoadGen's process was killed by SIGKILL"
    assert took_s < EARLY_S
    assert client_processes() == []


@pytest.mark.parametrize("case", CASES, ids=CASE_NAMES)
def test_an_endpoint_that_dies_ends_the_run(case: Case, tmp_path: Path) -> None:
    with Endpoint(lambda _: [LONG_S[case.scenario], *case.answer()]) as endpoint:
        with once(lambda: len(endpoint.seen) > 40, endpoint.die):
            run, took_s = long_run([endpoint], tmp_path, case)
        assert_ended_early(run, took_s, f"endpoint {endpoint.url} cannot be reached")
    assert run.report.failed["reset"] > 0


def test_one_of_two_endpoints_that_dies_ends_the_run(tmp_path: Path) -> None:
    with Endpoint(lambda _: [0.1, *answer("x")]) as lasting, Endpoint(lambda _: [0.1, *answer("x")]) as dying:
        with once(lambda: len(dying.seen) > 20, dying.die):
            run, took_s = long_run([lasting, dying], tmp_path, "server")
        assert_ended_early(run, took_s, f"endpoint {dying.url} cannot be reached")


def test_an_endpoint_that_was_never_there_ends_the_run(tmp_path: Path) -> None:
    with Endpoint(lambda _: answer("x")) as endpoint:
        pass
    run, took_s = long_run([endpoint], tmp_path, "offline")
    assert_ended_early(run, took_s, "connection refused")


@pytest.mark.parametrize(
    ("case", "number"),
    [
        (CASES[0], signal.SIGINT),
        (CASES[1], signal.SIGINT),
        (CASES[1], signal.SIGTERM),
        (CASES[0], signal.SIGHUP),
        (CASES[0], signal.SIGQUIT),
        (CASES[2], signal.SIGINT),
        (CASES[3], signal.SIGINT),
        (CASES[3], signal.SIGTERM),
    ],
)
def test_a_signal_ends_the_run(case: Case, number: signal.Signals, tmp_path: Path) -> None:
    begun = chunked(events("a", api=Api.COMPLETIONS, ids=[[1]]))[:-60]

    def script(_sample: int) -> list[Step]:
        # Some have begun to answer, and none ends.
        if case.of_tokens and len(endpoint.seen) <= 20:
            return case.answer() if case.scenario == "singlestream" else [begun, End.HANG]
        return [End.HANG]

    with (
        failing_at(number),
        Endpoint(script) as endpoint,
        once(lambda: len(endpoint.seen) > 20, lambda: os.kill(os.getpid(), number)),
    ):
        before = signal.getsignal(number)
        run, took_s = long_run([endpoint], tmp_path, case)
        assert signal.getsignal(number) is before
    assert_ended_early(run, took_s, f"interrupted by {number.name}")


@pytest.mark.parametrize(("scenario", "most_bytes"), [("offline", 0), ("server", 4096)])
def test_a_file_that_cannot_grow_ends_the_run(scenario: str, most_bytes: int, tmp_path: Path) -> None:
    def fill() -> None:
        resource.prlimit(process_of("loadgen.loadgen_process").pid, resource.RLIMIT_FSIZE, (most_bytes, -1))

    started = time.monotonic()
    with (
        Endpoint(lambda _: [0.05, *answer("x")]) as endpoint,
        once(lambda: len(endpoint.seen) > 40, fill),
        pytest.raises(SetupError, match=r"a file in .*run has reached the largest size that is allowed"),
    ):
        long_run([endpoint], tmp_path, scenario)
    assert time.monotonic() - started < EARLY_S
    assert (tmp_path / "run" / "requests.bin").is_file()
    assert client_processes() == []


def test_failures_that_cannot_be_written_end_the_run(tmp_path: Path) -> None:
    # The first evidence fills the buffer of errors.jsonl at once.
    with (
        Endpoint(lambda sample: [0.05, http(b"x" * 5000, 500)] if sample == 7 else answer("x")) as endpoint,
        once(
            lambda: bool(client_processes()) and bool(endpoint.seen),
            lambda: resource.prlimit(
                process_of("loadgen.loadgen_process").pid, resource.RLIMIT_FSIZE, (100, -1)
            ),
        ),
        pytest.raises(SetupError, match="has reached the largest size that is allowed"),
    ):
        run_against([endpoint], tmp_path, 300, mode=Mode.PERFORMANCE, target_qps=100, duration_s=60)
    assert client_processes() == []


def test_logs_of_loadgen_that_are_cut_off_are_noticed(tmp_path: Path) -> None:
    # Above all that the client writes, and below LoadGen's detail log.
    def fill() -> None:
        resource.prlimit(process_of("loadgen.loadgen_process").pid, resource.RLIMIT_FSIZE, (16_000, -1))

    with (
        Endpoint(lambda _: [0.2, *answer("x")]) as endpoint,
        once(lambda: len(endpoint.seen) > 5, fill),
        pytest.raises(SetupError, match=r"mlperf_log_detail\.txt: LoadGen could not write it to its end"),
    ):
        run_against([endpoint], tmp_path, 40, connections=4)


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """Mount a file system of 60 KB; tests are skipped where that is not allowed."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60k", "none", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_ends_the_command_with_one_sentence(tmp_path: Path) -> None:
    out = tmp_path / "disk" / "performance"
    with simulated(Behaviour(servers=0, mean_s=0.05)) as url, small_disk(tmp_path / "disk"):
        command = run_command(tmp_path, url, samples=2000, target_qps=400, duration_s=60, out=out)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "weighbridge", *command], capture_output=True, text=True, timeout=60
        )
        took_s = time.monotonic() - started
        assert done.returncode == 3, done.stderr
        last = done.stderr.splitlines()[-1]
        assert f"the disk of {out} is full; make room and repeat; what there is" in last
        assert took_s < EARLY_S
        kept = {path.name for path in (out / "aborted").iterdir()}
        assert {"requests.bin", "errors.jsonl", "mlperf_log_detail.txt"} <= kept
    assert client_processes() == []


def _replace(path: Path) -> None:
    (path.parent / "other").write_bytes(b"")
    (path.parent / "other").replace(path)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // (2 * RECORD.size) * RECORD.size)


def _make_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _overwrite(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.write(b"\xff" * RECORD.size)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("requests.bin", Path.unlink),
        ("requests.bin", _replace),
        ("requests.bin", _cut),
        ("requests.bin", _overwrite),
        ("requests.bin", _make_a_pipe),
        ("errors.jsonl", Path.unlink),
        ("sampled_answers.jsonl", Path.unlink),
    ],
)
def test_evidence_that_is_lost_during_a_run_voids_it(
    name: str, spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    def failing(sample: int) -> list[Step]:
        return [0.02, http(b"busy", 429)] if sample % 10 == 0 else [0.02, *answer("x")]

    path, requests = tmp_path / "run" / name, tmp_path / "run" / "requests.bin"
    with (
        Endpoint(failing) as endpoint,
        once(lambda: requests.is_file() and requests.stat().st_size > 0, lambda: spoil(path)),
    ):
        run = run_against([endpoint], tmp_path, 200, mode=Mode.PERFORMANCE, connections=4)
    assert run.report.aborted is not None
    assert f"the evidence of the run was altered while it was written: {name}" in run.report.aborted
    assert run.report.issued >= 200


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("case", [*CASES[2:], Case("offline", True)], ids=str)
def test_failed_requests_do_not_trouble_a_loadgen_that_counts_tokens(
    case: Case, mode: Mode, tmp_path: Path
) -> None:
    """Without a first token and two tokens each, it logs errors, and crashes at the end of SingleStream."""
    began = chunked(events("a", api=Api.COMPLETIONS, ids=[[1]]))
    ways: list[list[Step]] = [
        case.answer(),
        [http(b"busy", 429)],
        [End.RESET],
        [began[:-60], End.RESET],
        [chunked(events("a", tokens=1, api=Api.COMPLETIONS))],
        [chunked(events("a", tokens=5, api=Api.COMPLETIONS, ids=[[1]]))],
    ]
    kinds = ["http_status", "reset", "no_token_ids", "other_token_count"]
    with Endpoint(lambda n: ways[n % 6]) as endpoint:
        run = run_against(
            [endpoint],
            tmp_path,
            60,
            mode=mode,
            target_qps=20000 if case.scenario == "singlestream" else 200,
            **case.options,
        )
    assert run.report.aborted is None
    assert (run.log_errors, [kind for kind, count in run.report.failed.items() if count]) == ([], kinds)
    assert run.report.completed == run.report.issued // 6
    assert run.report.failures == run.report.issued // 6 * 5
    if mode is Mode.ACCURACY:
        entries = json.loads((run.out / "mlperf_log_accuracy.json").read_text())
        counts = {entry["qsl_idx"] % 6: entry["token_count"] for entry in entries}
        assert counts == {0: 3, **dict.fromkeys(range(1, 6), 2)}


def test_the_files_of_a_run_hold_all_that_the_driver_counted(tmp_path: Path) -> None:
    with Endpoint(lambda n: [http(b"busy", 429)] if n % 10 == 0 else answer("ä" * n)) as endpoint:
        run = run_against([endpoint], tmp_path, 100, mode=Mode.PERFORMANCE, target_qps=100, duration_s=1)
    report = run.report
    assert report.aborted is None
    assert report.completed + report.failed["http_status"] == report.issued
    assert len(run.errors) == report.failed["http_status"] > 0
    sampled = [json.loads(line) for line in (run.out / "sampled_answers.jsonl").read_text().splitlines()]
    assert len(sampled) == report.completed  # few enough to keep all
    assert all(line == {"sample": line["sample"], "text": "ä" * line["sample"]} for line in sampled)
    for name in ("errors.jsonl", "sampled_answers.jsonl"):
        assert (run.out / name).stat().st_mode & 0o777 == 0o600


def test_an_accuracy_run_keeps_no_sampled_answers(tmp_path: Path) -> None:
    with Endpoint(lambda _: answer("x")) as endpoint:
        run = run_against([endpoint], tmp_path, 20)
    assert run.report.aborted is None
    assert not (run.out / "sampled_answers.jsonl").exists()
    assert (run.out / "errors.jsonl").read_bytes() == b""


def test_bodies_that_are_cut_off_during_a_run_end_it(tmp_path: Path) -> None:
    bodies = tmp_path / "store" / "bodies.bin"
    with (
        Endpoint(lambda _: [0.2, *answer("x")]) as endpoint,
        once(lambda: len(endpoint.seen) > 5, lambda: os.truncate(bodies, 0)),
    ):
        run, took_s = long_run([endpoint], tmp_path, "offline")
    assert_ended_early(run, took_s, "worker 0 cannot go on: bodies.bin was cut off during the run")


_LEAVES = """
import json, socket, struct, sys
job = json.loads(sys.argv[1])
link = socket.socket(fileno=job["control_fd"])
link.sendall(struct.pack("<B3xII", 4, 0, 0))
link.recv(1)
"""


@pytest.fixture
def worker_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what puts a program of a test in the worker's place."""

    def install(code: str) -> None:
        (tmp_path / "worker_of_the_test.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}:{tmp_path}")
        monkeypatch.setattr("weighbridge.client.process_group._WORKER_MODULE", "worker_of_the_test")

    return install


def test_a_worker_that_leaves_as_if_all_were_over_ends_the_run(
    tmp_path: Path, worker_of: Callable[[str], None]
) -> None:
    worker_of(_LEAVES)
    run, took_s = long_run(["http://127.0.0.1:9"], tmp_path, "offline")
    assert run.report.aborted in (
        "the connection to worker 0 broke",
        "worker 0 ended in the middle of the run, as if it were over",
    )
    assert took_s < EARLY_S
    assert client_processes() == []


def test_a_worker_that_says_why_it_cannot_start_is_quoted(
    tmp_path: Path, worker_of: Callable[[str], None]
) -> None:
    worker_of(_LEAVES.replace('"<B3xII", 4, 0, 0)', '"<B3xII", 3, 0, 7) + b"no luck"'))
    with pytest.raises(SetupError, match=r"^no luck\.$"):
        long_run(["http://127.0.0.1:9"], tmp_path, "offline")
    assert client_processes() == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_exception_in_the_collecting_thread_ends_the_run(
    scenario: str, tmp_path: Path, worker_of: Callable[[str], None]
) -> None:
    half_a_record = (
        'link.sendall(struct.pack("<B3xII", 1, 10, 0) + bytes(10)); link.recv(1 << 20); link.recv(1)'
    )
    worker_of(_LEAVES + half_a_record)
    run, took_s = long_run(["http://127.0.0.1:9"], tmp_path, scenario)
    assert str(run.report.aborted).startswith("LoadGen's process failed while collecting outcomes: error: ")
    assert took_s < EARLY_S
    assert client_processes() == []


class Breaking:
    """A socket that breaks after some reads, while whoever has its other end lives on."""

    def __init__(self, inner: socket.socket, reads: int) -> None:
        self._inner, self._left = inner, reads

    def recv(self, size: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ConnectionResetError
        return self._inner.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def test_a_lost_connection_to_loadgens_process_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ProcessGroup._start

    def breaking(group: ProcessGroup, control: socket.socket) -> None:
        start(group, control)
        monkeypatch.setattr(group, "_control", Breaking(group._control, reads=3))

    monkeypatch.setattr(ProcessGroup, "_start", breaking)
    with Endpoint(lambda _: answer("x")) as endpoint:
        run, took_s = long_run([endpoint], tmp_path, "server")
    assert run.report.aborted == "the connection to LoadGen's process broke"
    assert took_s < EARLY_S
    assert client_processes() == []


def test_an_exception_in_loadgens_own_thread_ends_the_run(
    tmp_path: Path, worker_of: Callable[[str], None]
) -> None:
    worker_of(f"import os, json, sys\nos.unlink(json.loads(sys.argv[1])['store'] + '/bodies.bin')\n{_LEAVES}")
    said = r"LoadGen's process failed while reading the requests: .*bodies\.bin: No such file or directory"
    with pytest.raises(SetupError, match=said):
        long_run(["http://127.0.0.1:9"], tmp_path, "server")
    assert client_processes() == []


@pytest.mark.parametrize("module", ["client.worker", "loadgen.loadgen_process"])
def test_a_stopped_process_is_told_and_ends_the_run(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(liveness, "ENDED_AFTER_S", 2.0)
    seen: list[SampleCounts] = []
    with (
        Endpoint(lambda _: [0.2, *answer("x")]) as endpoint,
        once(lambda: len(endpoint.seen) > 40, lambda: process_of(module).suspend()),
    ):
        run, took_s = long_run([endpoint], tmp_path, "server", observe=seen.append)
    assert took_s < EARLY_S
    reason = "worker 0 (process" if module == "client.worker" else "LoadGen's process (process"
    assert run.report.aborted is not None
    assert run.report.aborted.startswith(reason)
    assert re.search(r"has been stopped by a signal, such as SIGSTOP, for [23] s", run.report.aborted)
    told = [counts.trouble for counts in seen if counts.trouble is not None]
    assert told[0].startswith(reason)
    assert told[0].endswith("the run ends after 2 s of it")
    assert "has been stopped" in caplog.text
    assert client_processes() == []


@pytest.mark.parametrize("case", CASES, ids=CASE_NAMES)
def test_a_server_that_no_longer_answers_ends_the_run(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "TOLD_AFTER_S", 2.0)  # twice the time between two signs of a worker
    seen: list[SampleCounts] = []

    with Endpoint(lambda n: case.answer() if n % 3 else [End.HANG]) as endpoint:
        run, took_s = long_run([endpoint], tmp_path, case, observe=seen.append, stall_limit_s=4)
    assert took_s < EARLY_S
    assert run.report.aborted is not None
    assert re.fullmatch(r"no answer to any of \d+ open requests for [45] s", run.report.aborted)
    assert run.report.failed["aborted"] > 0
    quiet = [counts for counts in seen if counts.trouble is not None]
    assert quiet[0].trouble is not None
    assert "the run ends after 4 s (client.stall_limit_s) of it" in quiet[0].trouble
    assert quiet[0].quiet_s >= 2
    assert quiet[0].open > 0


@pytest.mark.parametrize("stopped", [None, "client.worker", "loadgen.loadgen_process"])
def test_a_parent_that_is_killed_leaves_no_process(stopped: str | None, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from driving import *; import sys\n"
        "run_against([sys.argv[1]], Path(sys.argv[2]), 300, mode=Mode.PERFORMANCE)"
    )
    with Endpoint(lambda _: [End.HANG]) as endpoint:
        parent = subprocess.Popen(
            [sys.executable, "-c", code, endpoint.url, str(tmp_path)], cwd=Path(__file__).parent
        )
        deadline = time.monotonic() + 20
        while len(endpoint.seen) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        processes = client_processes()
        assert len(processes) == 2
        if stopped is not None:
            process_of(stopped).suspend()
        parent.kill()
        parent.wait()
        _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


def test_a_slow_endpoint_gets_less(tmp_path: Path) -> None:
    with Endpoint(lambda _: [0.3, *answer("x")]) as slow, Endpoint(lambda _: [0.01, *answer("x")]) as quick:
        run = run_against([slow, quick], tmp_path, 200, connections=16)
    assert run.report.failures == 0
    assert len(slow.seen) + len(quick.seen) == 200
    assert 0 < len(slow.seen) < len(quick.seen) / 4


def test_equal_endpoints_share_evenly(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        endpoints = [stack.enter_context(Endpoint(lambda _: answer("x"))) for _ in range(3)]
        run = run_against(endpoints, tmp_path, 60, scenario="server", target_qps=100)
    assert run.report.failures == 0
    assert all(15 <= len(endpoint.seen) <= 25 for endpoint in endpoints)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_connections_than_allowed(workers: int, tmp_path: Path) -> None:
    with Endpoint(lambda _: [0.02, *answer("x")]) as endpoint:
        run = run_against([endpoint], tmp_path, 100, connections=10, workers=workers)
    assert run.report.failures == 0
    assert endpoint.connections == 10
    assert max(count for _, count in run.report.in_flight) == 10


def test_connections_that_the_server_closes_between_requests_cost_nothing(tmp_path: Path) -> None:
    # LoadGen's schedule is fixed, and has no two of these queries within 20 ms.
    with Endpoint(lambda _: [*answer("x"), End.CLOSE]) as endpoint:
        run = run_against([endpoint], tmp_path, 12, scenario="server", target_qps=5, connections=4)
    assert run.report.failed == {}
    assert endpoint.connections == 12


def test_the_key_goes_into_the_header_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "sesame-4711")
    with Endpoint(lambda _: answer("x")) as endpoint:
        run = run_against([f"{endpoint.url}/v1"], tmp_path, 5, api_key_env="TEST_KEY")
    assert run.report.failures == 0
    assert all(b"\r\nAuthorization: Bearer sesame-4711\r\n" in head for head in endpoint.heads)
    assert all(head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n") for head in endpoint.heads)
    for file in run.out.iterdir():
        assert b"sesame" not in file.read_bytes()


def test_a_key_that_is_not_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NO_SUCH_KEY"):
        run_against(["http://127.0.0.1:9"], tmp_path, 5, api_key_env="NO_SUCH_KEY")


def test_the_report_counts_what_was_sent(tmp_path: Path) -> None:
    with Endpoint(lambda sample: [http(b"", 500)] if sample == 3 else [0.05, *answer("x")]) as endpoint:
        run = run_against([endpoint], tmp_path, 50)
    report = run.report
    assert report.sent_bytes == (tmp_path / "store" / "bodies.bin").stat().st_size
    assert report.received_bytes == 49 * len(answer("x")[0]) + len(http(b"", 500))
    assert report.loadgen_version == "6.0.15"
    assert report.settings["qsl_rng_seed"] == 2465351861681999779
    assert set(report.peak_rss_bytes) == {"worker 0", "loadgen"}
    assert all(rss > 5_000_000 for rss in report.peak_rss_bytes.values())
    assert report.client_cpu_s > 0
    assert report.schedule_delay.p50_s <= report.schedule_delay.p99_s <= report.schedule_delay.max_s
    assert report.started <= report.ended
    assert (run.out / "user.conf").is_file()


def test_wrong_seeds_are_refused(tmp_path: Path) -> None:
    good = small_round(5)
    seeds = good.loadgen_rules.seeds.model_copy(update={"qsl": 1})
    with pytest.raises(SetupError, match="seeds"):
        drive_with(
            good.model_copy(update={"loadgen": good.loadgen_rules.model_copy(update={"seeds": seeds})}),
            tmp_path,
        )


def drive_with(round_: Round, folder: Path, connections: int = 4) -> None:
    store = RequestStore.open(small_store(folder / "store", 5))
    target = Target(("http://127.0.0.1:9",), store, ClientSettings(connections=connections))
    issuer = LoadGenIssuer(round_, round_.scenarios["offline"], Mode.PERFORMANCE, 10)
    issuer.issue(target, folder / "run")


def test_another_number_of_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds 5 requests, the round needs 6"):
        drive_with(small_round(6), tmp_path)


def test_more_connections_than_open_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"client.connections is 5000000"):
        drive_with(small_round(5), tmp_path, connections=5_000_000)


def test_an_audit_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "audit.config").write_text("*.*.mode = 2\n")
    with pytest.raises(InputError, match=r"audit\.config"):
        drive_with(small_round(5), tmp_path)


def test_an_earlier_run_leaves_nothing_in_the_next(tmp_path: Path) -> None:
    with Endpoint(lambda _: [http(b"", 500)]) as endpoint:
        run_against([endpoint], tmp_path, 5)
    with Endpoint(lambda _: answer("x")) as endpoint:
        run = run_against([endpoint], tmp_path, 5)
    assert run.errors == []
    assert len(run.answers) == 5
