"""Servers are asked directly, whatever proxy the environment names; the hub is asked through it."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session
from test_serving import BODIES, settings

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.hub import Repository
from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.core.errors import SetupError
from weighbridge.core.openai_api import Api
from weighbridge.serving.golden_answer import check_golden
from weighbridge.serving.probing import warm_up
from weighbridge.serving.running_server import running_server
from weighbridge.serving.served_models import served_models

PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a proxy that takes connections and never answers."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in kept:
        connection.close()


@pytest.mark.parametrize("scheme", ["http", "socks5", "ftp"])
def test_no_proxy_of_the_environment_stands_before_a_server(
    scheme: str, silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, f"{scheme}://{silent}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    golden = tmp_path / "golden.json"
    golden.write_text('{"sample": 0, "temperature": 0.0, "answer": "a boot"}')
    started = time.monotonic()
    log = tmp_path / "server.log"
    with running_server(settings(), tmp_path, log, forbidden=tuple(ServerFeature)) as running:
        endpoint = running.endpoints[0]
        assert served_models(endpoint) == ["tiny"]
        check_golden(endpoint, golden, Api.CHAT, BODIES[Api.CHAT], None, timeout_s=5)
        warm_up(endpoint, Api.CHAT, [BODIES[Api.CHAT]], None, timeout_s=5)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("proxy", "sentence"),
    [
        ("socks5://me:pass-w0rd@127.0.0.1:9", "pip install socksio"),
        ("ftp://127.0.0.1:9", "correct the variable"),
        ("http://[::1", "correct the variable"),
    ],
)
def test_a_proxy_that_cannot_be_used_for_the_hub_is_one_sentence(
    proxy: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    close_session()
    artifact = Artifact(repo="a/b", revision="0" * 40)
    try:
        with pytest.raises(SetupError, match=rf"the proxy in ALL_PROXY cannot be used.*{sentence}") as caught:
            Repository(artifact, ArtifactKind.MODEL).files()
    finally:
        close_session()
    assert "pass-w0rd" not in str(caught.value)
    assert "\n" not in str(caught.value)
