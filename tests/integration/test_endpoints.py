"""Servers that a user runs: what is wrong with each is told at once, in a sentence of its own."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_load_tls import certificate, server_side
from test_serving import settings

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.core.errors import InputError, SetupError
from weighbridge.run.preflight import check
from weighbridge.serving.running_server import attached
from weighbridge.serving.served_models import NoAnswerError

__all__ = ["certificate"]

CACHES = 'vllm:cache_config_info{enable_prefix_caching="True"} 1.0\n'
FORBIDDEN = (ServerFeature.PREFIX_CACHING,)


@contextmanager
def answering(
    status: int = 200,
    *,
    models: tuple[str, ...] = ("tiny",),
    metrics: str = CACHES.replace("True", "False"),
    key: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Answer the requests of a preflight, with a fault or without; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            listed = json.dumps({"object": "list", "data": [{"id": name} for name in models]})
            page = {"/v1/models": listed, "/metrics": metrics}.get(self.path)
            refused = key is not None and self.headers.get("Authorization") != f"Bearer {key}"
            data = ("no" if refused else page or "none").encode()
            self.send_response(401 if refused else 404 if page is None else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def dead() -> str:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def fault_of(*urls: str, key: str | None = None, **changes: object) -> str:
    """Return the sentence with which servers are refused."""
    asked = settings(endpoints=urls, endpoints_timeout_s=0.3, **changes)
    with pytest.raises(SetupError) as raised:
        attached(asked, key, FORBIDDEN)
    return str(raised.value)


def test_a_dead_url_is_told_with_its_reason(dead: str) -> None:
    sentence = fault_of(dead)
    assert sentence == (
        f"the server at {dead} did not answer within server.endpoints_timeout_s (0.3 s): Connection refused; "
        "start it, or correct server.endpoints."
    )


def test_a_wrong_name_is_told_with_the_names_that_are_served() -> None:
    with answering(models=("llama", "llama-fp8")) as url:
        assert f"the server at {url} serves llama, llama-fp8, not 'tiny'" in fault_of(url)


@pytest.mark.parametrize(
    ("sent", "fault"), [(None, "wants a key (HTTP 401)"), ("b", "refuses the key (HTTP 401)")]
)
def test_a_wrong_key_is_told_and_never_shown(sent: str | None, fault: str) -> None:
    with answering(key="a") as url:
        assert f"{url} {fault}; set client.api_key_env" in fault_of(url, key=sent)
        attached(settings(endpoints=[url]), "a", FORBIDDEN)


@pytest.mark.parametrize(
    ("status", "metrics", "changes", "fault"),
    [
        (500, "", {}, "HTTP 500 from /v1/models; start it"),
        (200, CACHES, {}, "has prefix-caching on, which the round forbids; start it with --no-enable-prefix"),
        (200, CACHES, {"adapter": "sglang"}, "server.adapter stands for SGLang, but the server at"),
    ],
)
def test_what_the_round_or_the_settings_do_not_accept(
    status: int, metrics: str, changes: dict[str, object], fault: str
) -> None:
    with answering(status, metrics=metrics) as url:
        assert fault in fault_of(url, **changes)


def test_a_caching_server_is_measured_anyway_only_where_the_settings_say_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with answering(metrics=CACHES) as url:
        running = attached(settings(endpoints=[url], unproven="measure"), None, FORBIDDEN)
    assert running.prefix_caching == "on"
    assert "never VALID" in caplog.text


def test_of_several_endpoints_each_is_told(dead: str) -> None:
    with answering(models=("llama",)) as wrong, answering() as right:
        told = fault_of(right, dead, wrong)
    assert told.startswith("2 of the endpoints cannot be measured: ")
    assert f"{wrong} serves llama" in told
    assert f"{dead} does not answer: Connection refused" in told
    assert right not in told


def test_faults_of_endpoints_that_answer_are_told_with_the_silence_of_others(dead: str) -> None:
    with answering(metrics=CACHES) as caching, answering(metrics=CACHES) as another:
        told = fault_of(caching, dead, another, adapter="sglang")
        assert told.startswith("3 of the endpoints cannot be measured: ")
        for url in (caching, another):
            assert f"the server at {url} reports itself as vLLM" in told
            assert f"he server at {url} has prefix-caching on" in told
        assert f"{dead} did not answer within" in told
        one = fault_of(caching, adapter="sglang")
    assert "of the endpoints" not in one
    assert "reports itself as vLLM" in one
    assert "has prefix-caching on" in one


def test_servers_that_start_later_hide_no_fault_of_those_that_answer(dead: str, tmp_path: Path) -> None:
    with answering(models=("llama",)) as wrong:
        asked = settings(endpoints=[dead, wrong], endpoints_timeout_s=60)
        with pytest.raises(SetupError) as raised:
            check(load_round("demo"), asked, tmp_path / "results")
    assert f"the server at {dead} does not answer: Connection refused; start it" in str(raised.value)
    assert f"{wrong} serves llama" in str(raised.value)


def test_trouble_with_tls_is_told(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(tls=server_side(certificate)) as url:
        assert f"the certificate of {url} is not trusted (self-signed certificate); set SSL" in fault_of(url)
        plain = fault_of(url.replace("https", "http"))
        assert "did not answer" in plain
    with answering() as url:
        assert "does not speak TLS" in fault_of(url.replace("http", "https"))


def preflight(folder: Path, **server: object) -> None:
    check(load_round("demo"), settings(**server), folder)


def test_preflight_looks_at_the_endpoints(
    dead: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NoAnswerError, match="did not answer"):
        preflight(tmp_path, endpoints=dead, endpoints_timeout_s=0.2)
    with answering() as url:
        caplog.set_level("INFO")
        preflight(tmp_path, endpoints=url)
        assert f"{url}: vLLM answers as tiny" in caplog.text


def test_preflight_lets_those_be_started_meanwhile_for_whom_the_wait_was_raised(
    dead: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    preflight(tmp_path, endpoints=dead, endpoints_timeout_s=600)
    assert "Connection refused" in caplog.text
    assert "The runs will wait up to 600 s for it." in caplog.text
    with answering(models=("llama",)) as url, pytest.raises(SetupError, match="serves llama"):
        preflight(tmp_path, endpoints=url, endpoints_timeout_s=600)


def test_a_key_whose_variable_is_not_set_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    client = ClientSettings(api_key_env="WB_NO_SUCH_KEY")
    with pytest.raises(InputError, match="WB_NO_SUCH_KEY, which is not set"):
        check(load_round("demo"), settings(endpoints="http://127.0.0.1:1"), tmp_path, client=client)
