"""Adapters at work: one from outside the repository starts a server; attached servers are recognised."""

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

import pyarrow.parquet as pq
import pytest
from test_serving import SERVER, settings

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.core.errors import SetupError
from weighbridge.records.run_record import TELEMETRY_FILE
from weighbridge.records.telemetry_record import Metric
from weighbridge.serving import sglang
from weighbridge.serving.running_server import running_server
from weighbridge.serving.served_models import served_models
from weighbridge.system.telemetry import recording

# A server with a command line of its own; it runs the stand-in for vLLM in the end.
ADAPTER = """
import re
from weighbridge.config.closed_rules import ServerFeature, TaskPart
from weighbridge.records.telemetry_record import Metric
from weighbridge.serving.adapter import FeatureSwitch, LogStages, ServerFacts, TaskOptions

title = "Outsider"
executable = "outsider"
api_key_variable = "OUTSIDER_KEY"
owned_options = {"--listen": "it takes a free port"}
switches = {ServerFeature.PREFIX_CACHING: FeatureSwitch(("--forget",), options=("--forget", "--remember"))}
task_options = {part: TaskOptions() for part in TaskPart}
quantising_options = ()
variable_prefixes = ("OUTSIDER_",)
metric_names = {"outsider:busy": Metric.REQUESTS_RUNNING}
log_stages = LogStages(re.compile(""), ())
context_option = "--length"
system_packages = {}
version_arguments = ("version",)

def version_of(output):
    return output.strip() or None

def command(start):
    listen = f"--listen={start.host}:{start.port}"
    return (start.executable, listen, f"--name={start.settings.model_name}", *start.switched_off)

def neutral_options():
    return ()

def reported_arguments(log_text):
    return {"--name": "tiny"} if "started as" in log_text else None

def inspect(get):
    return ServerFacts("7.1", {ServerFeature.PREFIX_CACHING: False}) if get("/version") else None
"""
PROGRAM = """#!/bin/sh
[ "$1" = version ] && { echo outsider-7.1; exit; }
listen=${1#--listen=}; name=${2#--name=}
echo "started as: $*"
exec "$PYTHON" "$SERVER" serve model --served-model-name="$name" --host="${listen%:*}" --port="${listen#*:}"
"""


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    """Install a package with an adapter, as pip does; returns the environment that finds it."""
    site = tmp_path / "site"
    info = site / "outsider_server-7.1.dist-info"
    info.mkdir(parents=True)
    (site / "outsider_server.py").write_text(ADAPTER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider-server\nVersion: 7.1\n")
    (info / "entry_points.txt").write_text("[weighbridge.servers]\noutsider = outsider_server\n")
    program = tmp_path / "bin" / "outsider"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "SERVER": str(SERVER),
    }


def serve(folder: Path, environment: dict[str, str], round_: str | None, **server: object) -> tuple[str, str]:
    """Start `weighbridge serve`, end it once it serves; returns what it printed to both streams."""
    said = json.dumps({"model_name": "tiny", "adapter": "outsider", "startup_timeout_s": 30} | server)
    command = [sys.executable, "-m", "weighbridge", "serve", "--server", said, "--model", str(folder)]
    command += ["--server-log", str(folder / "server.log"), *(["--round", round_] if round_ else [])]
    # The adapter's folder is on PYTHONPATH, which a closed division refuses.
    command += ["--division", "open"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        if first:
            process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=30)
    return first + rest, errors


def test_an_adapter_from_outside_the_repository_starts_a_server(
    tmp_path: Path, outside: dict[str, str]
) -> None:
    demands = tmp_path / "round.yaml"
    demands.write_text("extends: demo\nname: other\nserver_must_not: [prefix-caching]\n")
    printed, errors = serve(tmp_path, outside, str(demands))
    assert printed.startswith("http://127.0.0.1:"), errors
    assert "--name=tiny --forget" in (tmp_path / "server.log").read_text()


def test_its_program_and_version_are_found(tmp_path: Path, outside: dict[str, str]) -> None:
    command = [sys.executable, "-m", "weighbridge", "find-server", "--round", "demo", "--server"]
    command += [json.dumps({"model_name": "tiny", "adapter": "outsider"}), "--output", "server.json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=outside, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the server is Outsider outsider-7.1" in done.stderr
    assert json.loads((tmp_path / "server.json").read_text()) == {
        "executable": "bin/outsider",  # relative, since it lies below the working directory
        "version": "outsider-7.1",
    }


def test_what_it_cannot_switch_off_or_leaves_to_weighbridge_is_refused(
    tmp_path: Path, outside: dict[str, str]
) -> None:
    # Without a round every cache must be off, and this adapter does not say how for pictures.
    _, errors = serve(tmp_path, outside, None)
    assert "the round forbids media-cache, which the adapter for Outsider cannot switch off" in errors
    demands = tmp_path / "round.yaml"
    demands.write_text("extends: demo\nname: other\nserver_must_not: [prefix-caching]\n")
    for argument, sentence in {
        "--listen=0.0.0.0:1": "sets --listen, which is the tool's: it takes a free port",
        "--remember": "sets --remember, which is the tool's: the round demands prefix-caching off",
    }.items():
        _, errors = serve(tmp_path, outside, str(demands), args=[argument])
        assert sentence in errors
    assert not (tmp_path / "server.log").exists()


@contextmanager
def pages(**found: object) -> Iterator[str]:
    """Answer GET with pages, named by their paths with underscores for slashes."""
    found.setdefault("v1_models", {"object": "list", "data": [{"id": "tiny", "object": "model"}]})

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            page = found.get(self.path.strip("/").replace("/", "_"))
            data = page.encode() if isinstance(page, str) else json.dumps(page).encode()
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("page", ["[]", "null", "<html></html>", '{"data": [1]}'])
def test_what_is_no_model_server_is_refused_in_one_sentence(page: str) -> None:
    with pages(v1_models=page) as url, pytest.raises(SetupError, match="is it an OpenAI-compatible server"):
        served_models(url)


def test_an_attached_sglang_is_recognised(tmp_path: Path) -> None:
    with pages(get_server_info={"disable_radix_cache": True, "version": "0.5.6"}) as url:
        attached = settings(endpoints=[url])
        with running_server(attached, tmp_path, tmp_path / "log", forbidden=tuple(ServerFeature)) as running:
            assert (running.kind, running.prefix_caching, running.version) == ("SGLang", "off", "0.5.6")
            assert running.metric_names["sglang:num_queue_reqs"] is Metric.REQUESTS_WAITING
            assert not any(name.startswith("vllm:") for name in running.metric_names)


def test_telemetry_of_an_attached_sglang(tmp_path: Path) -> None:
    page = "sglang:num_running_reqs 3.0\nsglang:cached_tokens_total 7.0\nvllm:num_requests_running 9.0\n"
    with pages(get_server_info={"disable_radix_cache": True}, metrics=page) as url:
        attached = settings(endpoints=[url], adapter="sglang")
        with (
            running_server(attached, tmp_path, tmp_path / "log", forbidden=()) as running,
            recording((url,), None, (), tmp_path / TELEMETRY_FILE, running.metric_names) as result,
        ):
            pass
    rows = pq.read_table(tmp_path / TELEMETRY_FILE).to_pylist()
    values = {row["metric"]: row["value"] for row in rows if row["source"] == "server 0"}
    assert values == {"requests_running": 3, "prefix_cache_hits": 7}
    assert result.brief is not None
    assert result.brief.prefix_cache_hits == 0


def test_caching_is_refused_only_where_the_round_forbids_it(tmp_path: Path) -> None:
    with pages(get_server_info={"disable_radix_cache": False, "version": "0.5.6"}) as url:
        attached = settings(endpoints=[url])
        with (
            pytest.raises(
                SetupError, match=r"has prefix-caching on.*start it with --disable-radix-cache, or measure it"
            ),
            running_server(attached, tmp_path, tmp_path / "log", forbidden=(ServerFeature.PREFIX_CACHING,)),
        ):
            pytest.fail("a server that caches was taken")
        with running_server(attached, tmp_path, tmp_path / "log", forbidden=()) as running:
            assert running.prefix_caching == "on"


def test_a_started_server_may_cache_where_the_round_allows_it(tmp_path: Path) -> None:
    with running_server(settings(), tmp_path, tmp_path / "server.log", forbidden=()) as running:
        assert running.prefix_caching == "on"
        assert "--no-enable-prefix-caching" not in running.command
        assert "--mm-processor-cache-gb=0" not in running.command


def test_an_unknown_server_is_treated_neutrally(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pages(version={"version": "3.1"}) as url:
        attached = settings(endpoints=[url])
        with running_server(attached, tmp_path, tmp_path / "log", forbidden=tuple(ServerFeature)) as running:
            assert (running.kind, running.prefix_caching, running.version) == (None, "unknown", "3.1")
            # Its page may have the names of any kind of server.
            assert {"vllm:prompt_tokens_total", "sglang:prompt_tokens_total"} <= running.metric_names.keys()
    assert "does not report whether prefix caching is off" in caplog.text


def test_a_named_adapter_is_used_for_endpoints_too(tmp_path: Path) -> None:
    page = 'vllm:cache_config_info{enable_prefix_caching="True"} 1.0\n'
    with pages(metrics=page, get_server_info={"disable_radix_cache": True, "version": "1"}) as url:
        for adapter, state in {"sglang": "off", "vllm": "on", None: "on"}.items():
            attached = settings(endpoints=[url], adapter=adapter)
            with running_server(attached, tmp_path, tmp_path / "log", forbidden=()) as running:
                assert running.prefix_caching == state


def test_an_attached_server_needs_no_switch_of_its_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sglang, "switches", {})
    info = {"disable_radix_cache": True, "version": "1"}
    with pages(get_server_info=info) as url:
        attached = settings(endpoints=[url], adapter="sglang")
        with running_server(attached, tmp_path, tmp_path / "log", forbidden=tuple(ServerFeature)) as running:
            assert running.prefix_caching == "off"
        info["disable_radix_cache"] = False
        with (
            pytest.raises(
                SetupError, match=r"has prefix-caching on, which the round forbids; switch it off, or measure"
            ),
            running_server(attached, tmp_path, tmp_path / "log", forbidden=tuple(ServerFeature)),
        ):
            pytest.fail("a server that caches was taken")
