"""`weighbridge bench` as a user calls it, against simulated servers of known speed and faulty ones."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from simulating import any_length

from weighbridge.records.comparison import SweepComparison
from weighbridge.simulate.behaviour import Behaviour

# Three blocks of half a second: enough for an interval, and for a difference of a half.
QUICK = ("--blocks=3", "--seconds=0.5", "--levels=16", "--output=8", "--prompt-tokens=20")


@pytest.fixture(scope="module")
def slow() -> Iterator[str]:
    with any_length(Behaviour(servers=16, mean_s=0.15, distribution="exponential"), "tiny") as url:
        yield url


@pytest.fixture(scope="module")
def fast() -> Iterator[str]:
    with any_length(Behaviour(servers=16, mean_s=0.15, distribution="exponential", speed=1.5), "tiny") as url:
        yield url


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "weighbridge", "bench", *arguments]


def _bench(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | variables,
        check=False,
    )


def _result(folder: Path) -> SweepComparison:
    [found] = folder.glob("bench-*/comparison.json")
    return SweepComparison.read(found)


def _last(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1]


@contextmanager
def _answering(status: int, body: str) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer to everything; yield the URL, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def compared(slow: str, fast: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Compare the two once; return the folder, the output and the log."""
    folder = tmp_path_factory.mktemp("compared")
    done = _bench(folder, f"A={slow}", f"B={fast}", *QUICK)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout, done.stderr


def test_the_faster_of_two_endpoints_is_found_with_its_interval(compared: tuple[Path, str, str]) -> None:
    folder, output, log = compared
    [row] = _result(folder).rows
    assert row.result == "faster"
    assert row.speed_up is not None
    assert row.speed_up.low is not None
    assert row.speed_up.high is not None
    assert row.speed_up.low < 1.5 < row.speed_up.high * 1.15
    assert "B is faster than A: " in output
    [result] = folder.glob("bench-*")
    assert f"{result.name}/report.html" in output
    assert (result / "report.html").stat().st_size > 10_000
    assert (result / "table.md").is_file()
    assert "run 6 of 6" in log


def test_a_finished_result_is_printed_again_without_a_request(
    compared: tuple[Path, str, str], slow: str, fast: str
) -> None:
    folder, output, _ = compared
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = _bench(folder, f"A={slow}", f"B={fast}", *QUICK)
    assert again.returncode == 0
    assert again.stdout == output
    assert "nothing was measured; --again" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    printed = _bench(folder, f"A={slow}", f"B={fast}", *QUICK, "--json")
    assert json.loads(printed.stdout)["rows"][0]["result"] == "faster"


def test_one_endpoint_is_a_table_of_its_figures_and_again_sets_the_earlier_aside(
    slow: str, tmp_path: Path
) -> None:
    options = ("--blocks=1", "--seconds=0.3", "--levels=1,4", "--output=8", "--prompt-tokens=20")
    done = _bench(tmp_path, slow, *options, "--out=here")
    assert done.returncode == 0, done.stderr
    compared = SweepComparison.read(tmp_path / "here" / "comparison.json")
    assert compared.rows == ()
    assert [cell.level for cell in compared.cells] == ["closed-1", "closed-4"]
    assert compared.systems["A"].model_name == "tiny"
    done = _bench(tmp_path, slow, *options, "--out=here", "--again")
    assert done.returncode == 0, done.stderr
    [aside] = (tmp_path / "replaced").iterdir()
    assert (aside / "comparison.json").is_file()


def test_after_ctrl_c_the_same_command_goes_on(slow: str, tmp_path: Path) -> None:
    command = _command(f"A={slow}", f"B={slow}", *QUICK)
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        log = ""
        while "run 2 of 6" not in log:
            line = process.stderr.readline()
            assert line, log
            log += line
        process.send_signal(signal.SIGINT)
        log += process.stderr.read()
    assert process.returncode == 130
    assert "the same command goes on" in log
    assert "Traceback" not in log
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("bench-*/w1/**/run.json")}
    assert 2 <= len(finished) < 6
    done = _bench(tmp_path, f"A={slow}", f"B={slow}", *QUICK)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("bench-*/w1/**/run.json"))) == 6
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    [row] = _result(tmp_path).rows
    assert row.result not in ("not comparable",)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "name an endpoint, such as http://host:8000"),
        (("host:8000",), "'host:8000' is no endpoint"),
        (("URL", "--output=many"), "--output: 'many' is no distribution"),
        (("URL", "--levels=0"), "--levels"),
        (("URL", "--blocks=0"), "blocks"),
        (("URL", "--slo=fast"), "--slo: 'fast' is no objective"),
        (("URL", "--dataset=/no/such.jsonl"), "--dataset: /no/such.jsonl is no file"),
        (("URL", "--workload=no-such"), "no-such"),
        (("URL", "--api-key-env=NO_SUCH_VARIABLE"), "the environment has no NO_SUCH_VARIABLE"),
        (("URL", "--equivalence=200%"), "--equivalence"),
        (("A=URL", "A=URL"), "A names two endpoints"),
    ],
)
def test_a_wrong_call_is_one_sentence_before_any_request(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    with _answering(200, '{"data": []}') as (url, asked):
        done = _bench(tmp_path, *(argument.replace("URL", url) for argument in arguments))
    assert done.returncode == 2
    assert sentence in _last(done)
    assert asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "body", "code", "sentence"),
    [
        (401, "{}", 3, "refuses the key; set --api-key-env to the name"),
        (404, "{}", 3, "is it an OpenAI-compatible server?"),
        (200, '{"data": [{"id": "a"}, {"id": "b"}]}', 2, "serves several models; name one of these"),
        (200, '{"data": []}', 2, "serves no model"),
    ],
)
def test_an_endpoint_that_cannot_be_measured_is_one_sentence(
    tmp_path: Path, status: int, body: str, code: int, sentence: str
) -> None:
    with _answering(status, body) as (url, _):
        done = _bench(tmp_path, url)
    assert done.returncode == code, done.stderr
    assert sentence in _last(done)
    assert list(tmp_path.iterdir()) == []


def test_a_dead_endpoint_is_one_sentence(tmp_path: Path) -> None:
    with _answering(200, "{}") as (url, _):
        pass
    done = _bench(tmp_path, f"old={url}")
    assert done.returncode == 3
    assert _last(done).endswith(f"old: nothing answers at {url}; start the server, or correct the URL.")


def test_a_model_that_is_not_served_is_refused_with_those_that_are(slow: str, tmp_path: Path) -> None:
    done = _bench(tmp_path, f"{slow}#other")
    assert done.returncode == 2
    assert _last(done).endswith(
        f"serves not other; name one of these by --model, or as A={slow}#MODEL: tiny."
    )


def test_a_folder_that_cannot_be_written_is_one_sentence(slow: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = _bench(tmp_path, slow, *QUICK, "--out=file/below")
    assert done.returncode == 3
    assert "use a path whose parents are folders" in _last(done)


def test_failed_requests_leave_nothing_to_compare(slow: str, tmp_path: Path) -> None:
    failing = Behaviour(servers=16, mean_s=0.15, failures={"status_500": 0.03})
    with any_length(failing, "tiny") as broken:
        done = _bench(tmp_path, f"A={slow}", f"B={broken}", *QUICK)
    assert done.returncode == 4, done.stderr
    [row] = _result(tmp_path).rows
    assert row.result == "not comparable"
    assert row.ratios == {}
    assert "B cannot be compared with A" in done.stdout
    assert _last(done).partition("ERROR ")[2].startswith("nothing can be compared: ")


def test_a_folder_in_use_is_refused(slow: str, tmp_path: Path) -> None:
    command = _command(slow, *QUICK, "--out=here")
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        until = time.monotonic() + 30
        while not (tmp_path / "here" / "plan.json").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        done = _bench(tmp_path, slow, *QUICK, "--out=here")
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert done.returncode == 3
    assert "is in use by" in _last(done)
