"""`weighbridge bench` as a user calls it, against simulated servers of known speed and faulty ones."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from simulating import any_length

from weighbridge import cli
from weighbridge.core.errors import InputError, WeighbridgeError
from weighbridge.records.comparison import SweepComparison
from weighbridge.simulate.behaviour import Behaviour

# Three blocks of a second: enough for an interval, and for a difference of a half.
QUICK = ("--blocks=3", "--seconds=1", "--levels=32", "--output=8", "--prompt-tokens=20")


@pytest.fixture(scope="module")
def slow() -> Iterator[str]:
    with any_length(Behaviour(servers=32, mean_s=0.3, distribution="exponential"), "tiny") as url:
        yield url


@pytest.fixture(scope="module")
def fast() -> Iterator[str]:
    with any_length(Behaviour(servers=32, mean_s=0.3, distribution="exponential", speed=1.5), "tiny") as url:
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


def _called(*arguments: str) -> None:
    """Call the command in this process."""
    cli.app(["bench", *arguments], standalone_mode=False)


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


def _until(process: subprocess.Popen[str], text: str) -> str:
    """Return what a process has logged when it says a text."""
    assert process.stderr is not None
    log = ""
    while text not in log:
        line = process.stderr.readline()
        assert line, log
        log += line
    return log


def _interrupted(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    log = process.stderr.read()
    assert process.wait(30) == 130, log
    assert "Traceback" not in log
    return log


def test_one_endpoint_goes_on_after_ctrl_c_is_refused_to_others_meanwhile_and_measured_again(
    slow: str, tmp_path: Path
) -> None:
    command = _command(slow, *QUICK, "--out=here")
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        _until(process, "run 1 of 3")
        # --again must not move the folder of a running measurement.
        second = _bench(tmp_path, slow, *QUICK, "--out=here", "--again")
        log = _interrupted(process)
    assert (second.returncode, "is in use by" in _last(second)) == (3, True), second.stderr
    assert "the same command goes on" in log
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("here/w1/**/run.json")}
    assert 1 <= len(kept) < 3
    done = _bench(tmp_path, slow, *QUICK, "--out=here")
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("here/w1/**/run.json"))) == 3
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    found = SweepComparison.read(tmp_path / "here" / "comparison.json")
    assert found.rows == ()
    assert found.systems["A"].model_name == "tiny"
    assert "requests/s" in done.stdout
    with subprocess.Popen([*command, "--again"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        _until(process, "the earlier result is now in")
        _interrupted(process)
    [aside] = (tmp_path / "replaced").iterdir()
    assert SweepComparison.read(aside / "comparison.json") == found


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
    tmp_path: Path, arguments: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with _answering(200, '{"data": []}') as (url, asked), pytest.raises(InputError) as error:
        _called(*(argument.replace("URL", url) for argument in arguments))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "body", "code", "sentence"),
    [
        (401, "{}", 3, "wants a key (HTTP 401); set --api-key-env to the name"),
        (404, "{}", 3, "is it an OpenAI-compatible server?"),
        (200, '{"data": [{"id": "a"}, {"id": "b"}]}', 2, "serves several models; name one of these"),
        (200, '{"data": []}', 2, "serves no model"),
    ],
)
def test_an_endpoint_that_cannot_be_measured_is_one_sentence(
    tmp_path: Path, status: int, body: str, code: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with _answering(status, body) as (url, _), pytest.raises(WeighbridgeError) as error:
        _called(url)
    assert error.value.exit_code == code
    assert sentence in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_dead_endpoint_is_one_sentence(tmp_path: Path) -> None:
    with _answering(200, "{}") as (url, _):
        pass
    done = _bench(tmp_path, f"old={url}")
    assert done.returncode == 3
    assert _last(done).endswith(f"old: nothing answers at {url}; start the server, or correct the URL.")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_served_is_refused_with_those_that_are(slow: str) -> None:
    with pytest.raises(InputError) as error:
        _called(f"{slow}#other")
    assert str(error.value).endswith(
        f"serves no other; name one of these by --model, or as A={slow}#MODEL: tiny."
    )


def test_a_folder_that_cannot_be_written_is_one_sentence(slow: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = _bench(tmp_path, slow, *QUICK, "--out=file/below")
    assert done.returncode == 3
    assert "use a path whose parents are folders" in _last(done)


def test_failed_requests_leave_nothing_to_compare(slow: str, tmp_path: Path) -> None:
    failing = Behaviour(servers=32, mean_s=0.3, failures={"status_500": 0.03})
    with any_length(failing, "tiny") as broken:
        done = _bench(tmp_path, f"A={slow}", f"B={broken}", *QUICK, "--blocks=1")
    assert done.returncode == 4, done.stderr
    [row] = _result(tmp_path).rows
    assert row.result == "not comparable"
    assert row.ratios == {}
    assert "B cannot be compared with A" in done.stdout
    assert _last(done).partition("ERROR ")[2].startswith("no row can be compared. ")
