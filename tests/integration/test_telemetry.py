"""Telemetry of real runs over HTTP, and of endpoints that hang, refuse, or answer something else."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from driving import run_against
from measuring import run_command
from simulating import simulated

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.records.run_record import RUN_RECORD, TELEMETRY_FILE, RunRecord
from weighbridge.serving import vllm
from weighbridge.serving.probing import recognise
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.system.telemetry import recording, server_telemetry

CLIENT = {"process loadgen", "process worker 0"}


def run(
    folder: Path, url: str, *, samples: int, target_qps: float, duration_s: float
) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    words = run_command(
        folder, url, samples=samples, target_qps=target_qps, duration_s=duration_s, out=folder / "out"
    )
    command = [sys.executable, "-m", "weighbridge", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)


def grown(table: pd.DataFrame, metric: str) -> float:
    values = table[table["metric"] == metric]["value"]
    return float(values.iloc[-1] - values.iloc[0])


def test_a_run_is_told_as_it_was(tmp_path: Path) -> None:
    with simulated(Behaviour(servers=3, mean_s=0.1)) as url:
        assert recognise(url)[1].features == {ServerFeature.PREFIX_CACHING: False}
        process = run(tmp_path, url, samples=150, target_qps=40, duration_s=3)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "telemetry" not in said
    out = tmp_path / "out"
    requests, table = pd.read_parquet(out / "requests.parquet"), pd.read_parquet(out / TELEMETRY_FILE)
    served = table[table["source"] == "server 0"]
    # 40 a second come and 30 are answered, so the line grows; after the run nothing is left.
    running, waiting = (
        served[served["metric"] == name]["value"] for name in ("requests_running", "requests_waiting")
    )
    assert len(running) == len(waiting) >= 4
    assert running.max() == 3
    assert 0 < waiting.max() < len(requests)
    assert (running.iloc[0], running.iloc[-1], waiting.iloc[-1]) == (0, 0, 0)
    assert grown(served, "prompt_tokens") == requests["prompt_tokens"].sum() >= len(requests)
    assert grown(served, "generation_tokens") == requests["tokens"].sum() > 0
    assert grown(served, "prefix_cache_hits") == 0
    assert served[served["metric"] == "kv_cache_usage"]["value"].max() == 1
    # The clock is that of the requests.
    assert table["time_ns"].min() < requests["planned_ns"].min()
    assert table["time_ns"].max() > requests["end_ns"].max()
    assert table["time_ns"].max() - requests["end_ns"].max() < 60e9

    client = table[(table["metric"] == "cpu_cores") & table["source"].isin(CLIENT)]
    assert set(client["source"]) == CLIENT
    assert client["value"].between(0, 2).all()
    assert client["value"].max() > 0

    record = RunRecord.read(out / RUN_RECORD)
    assert record.server.prefix_caching == "off"
    assert record.telemetry is not None
    assert record.telemetry.samples == len(table)
    assert set(record.telemetry.sources) == {"host", "server 0", *CLIENT}
    assert record.telemetry.prefix_cache_hits == 0
    assert record.telemetry.ecc_uncorrected is None
    assert 0 < record.telemetry.cpu_share < 1


def test_ctrl_c_keeps_what_was_there(tmp_path: Path) -> None:
    with simulated(Behaviour(servers=3, mean_s=0.1)) as url:
        process = run(tmp_path, url, samples=3000, target_qps=20, duration_s=60)
        records = tmp_path / "out" / "requests.bin"
        deadline = time.monotonic() + 60
        while not (records.exists() and records.stat().st_size > 0):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "ERROR the run ended early: interrupted by SIGINT; its logs are in" in said.splitlines()[-1]
    kept = tmp_path / "out" / "aborted"
    record = RunRecord.read(kept / RUN_RECORD)
    assert record.load.aborted == "interrupted by SIGINT"
    assert record.telemetry is not None
    table = pd.read_parquet(kept / TELEMETRY_FILE)
    assert len(table) == record.telemetry.samples
    assert {"server 0", *CLIENT} <= set(table["source"])


def test_telemetry_of_an_earlier_run_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    left = tmp_path / "run" / TELEMETRY_FILE
    left.write_bytes(b"of another run")
    with simulated(Behaviour()) as url:
        run_against([url], tmp_path, 8)
    assert not left.exists()


class Page:
    """A /metrics page that behaves as a test tells it, on a thread of its own."""

    def __init__(self, body: bytes, *, status: int = 200, closes: bool = False) -> None:
        self.body, self.connections, self.served, self.headers = body, 0, 0, list[str | None]()
        self.release = threading.Event()
        page = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                page.connections += 1
                super().setup()

            def do_GET(self) -> None:
                assert self.path == "/metrics"
                page.headers.append(self.headers["Authorization"])
                if status == 0:
                    page.release.wait(60)
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(page.body)))
                self.end_headers()
                self.wfile.write(page.body)
                page.served += 1
                # Without a word of it beforehand, as after an idle time.
                self.close_connection = closes

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


GOOD = b'vllm:num_requests_running{engine="0"} 2.0\nvllm:prefix_cache_hits_total{engine="0"} 5.0\n'


@pytest.fixture
def pages() -> Iterator[dict[str, Page]]:
    found = {
        "deaf": Page(b"", status=0),
        "missing": Page(b'{"detail":"Not Found"}', status=404),
        "other": Page(b"<html>welcome</html>"),
        "broken": Page(b"vllm:num_requests_running many\n"),
        "huge": Page(b"#" * (9 << 20)),
        "good": Page(GOOD),
        "closing": Page(GOOD, closes=True),
    }
    yield found
    for page in found.values():
        page.close()


def test_bad_pages_do_no_harm_to_good_ones(
    pages: dict[str, Page], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_telemetry, "_TIMEOUT_S", 60)
    urls = ("http://127.0.0.1:1", *(f"{page.url}/v1" for page in pages.values()))
    with recording(urls, "secret", (), tmp_path / TELEMETRY_FILE, vllm.metric_names) as result:
        time.sleep(2.3)
        ending_s = time.monotonic()
    assert time.monotonic() - ending_s < 30, "the end waited for a page that hangs"
    names = dict(
        zip(("unreachable", *pages), (f"server {number}" for number in range(len(urls))), strict=True)
    )
    table = pd.read_parquet(tmp_path / TELEMETRY_FILE)
    told = table[table["metric"] == "requests_running"].groupby("source", observed=True)["value"].agg(list)
    assert set(told.index) == {names["good"], names["closing"]}
    assert all(len(values) >= 3 and set(values) == {2.0} for values in told)
    assert result.brief is not None
    assert result.brief.prefix_cache_hits == 0
    assert pages["good"].connections == 1
    assert pages["closing"].connections == len(pages["closing"].headers) >= 3
    assert {header for page in pages.values() for header in page.headers} == {"Bearer secret"}
    warnings = sorted(record.getMessage().split("; ")[0] for record in caplog.records)
    assert warnings == sorted(
        f"no telemetry of {names[name]} ({reason})"
        for name, reason in {
            "unreachable": "[Errno 111] Connection refused",
            "missing": "/metrics answers 404 with 22 bytes",
            "other": "/metrics has none of the expected metrics",
            "broken": "could not convert string to float: 'many'",
            "huge": "/metrics answers 200 with 8388608 bytes",
        }.items()
    )


def test_hits_during_the_run_are_counted(pages: dict[str, Page], tmp_path: Path) -> None:
    page = pages["good"]
    with recording((page.url,), None, (), tmp_path / TELEMETRY_FILE, vllm.metric_names) as result:
        while not page.served:
            time.sleep(0.01)
        page.body = GOOD.replace(b"5.0", b"9.0")
        time.sleep(1.2)
    assert result.brief is not None
    assert result.brief.prefix_cache_hits == 4
