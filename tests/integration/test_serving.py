"""A server's life: ready, refused, dead, deaf; and that nothing of it is left."""

import json
import os
import socket
import time
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest
from endpoint import Endpoint, answer, http

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import SetupError, WeighbridgeError
from weighbridge.core.openai_api import Api
from weighbridge.serving.golden_answer import check_golden
from weighbridge.serving.ports import check_port
from weighbridge.serving.probing import warm_up
from weighbridge.serving.running_server import RunningServer
from weighbridge.serving.running_server import running_server as start_server
from weighbridge.serving.server_report import reported_by
from weighbridge.system.gpus import check_accelerators

SERVER = Path(__file__).parent / "model_server.py"
BODIES = {
    Api.CHAT: b'{"model": "tiny", "messages": [{"role": "user", "content": "a boot"}]}',
    Api.COMPLETIONS: b'{"model": "tiny", "prompt": "a boot"}',
}


def settings(fault: str = "", **values: object) -> ServerSettings:
    plain = {"executable": str(SERVER), "model_name": "tiny", "env": {"MODEL_SERVER_FAULT": fault}}
    return ServerSettings.parse(plain | {"startup_timeout_s": 20, "stop_timeout_s": 1} | values, "test")


def running_server(
    settings: ServerSettings, model: Path, log: Path, api_key: str | None = None
) -> AbstractContextManager[RunningServer]:
    """Start servers under a round that forbids every cache."""
    return start_server(settings, model, log, api_key, forbidden=tuple(ServerFeature))


def family_of(command_part: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter() if command_part in " ".join(command_line(p))]


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_serves_and_leaves_nothing(tmp_path: Path) -> None:
    with running_server(settings(), tmp_path, tmp_path / "server.log") as running:
        children = family_of(f"serve {tmp_path}")
        assert len(children) == 1
        family = [*children, *children[0].children(recursive=True)]
        assert len(family) == 2
        port = int(running.endpoints[0].rsplit(":", 1)[1])
        assert running.version == "0.12.0"
        assert "--no-enable-prefix-caching" in running.command
    assert not any(lives(process) for process in family)
    check_port(port)


def reported(running: RunningServer) -> dict[str, str] | None:
    return reported_by(running.kind, [server.launch for server in running.processes], (), None)


def test_what_a_started_server_reports_of_its_arguments_is_read_from_its_log(tmp_path: Path) -> None:
    said = settings(args=["--mm-processor-kwargs={}"], replicas=2)
    with running_server(said, tmp_path, tmp_path / "server.log") as running:
        found = reported(running)
    assert found is not None
    assert (found["--served-model-name"], found["--mm-processor-kwargs"]) == ("tiny", "{}")
    said = settings("tells-nothing")
    with running_server(said, tmp_path, tmp_path / "server.log") as running:
        assert reported(running) is None


def test_a_deaf_server_is_killed(tmp_path: Path) -> None:
    with running_server(settings("deaf"), tmp_path, tmp_path / "server.log"):
        pass
    assert family_of(f"serve {tmp_path}") == []


def test_a_server_that_dies_is_told_at_once_with_the_end_of_its_log(tmp_path: Path) -> None:
    started = time.monotonic()
    with (
        pytest.raises(SetupError, match="exit code 1") as caught,
        running_server(settings("dies"), tmp_path, tmp_path / "server.log"),
    ):
        pytest.fail("a dead server was taken for a ready one")
    # It lives half a second; the settings would allow twenty.
    assert time.monotonic() - started < 10
    assert "no such kernel" in str(caught.value)


def test_a_missing_library_is_named_with_its_package(tmp_path: Path) -> None:
    with (
        pytest.raises(SetupError, match=r"libnuma\.so\.1.*apt-get install libnuma1"),
        running_server(settings("lacks-library"), tmp_path, tmp_path / "server.log"),
    ):
        pass


def test_a_server_that_never_answers_runs_out_of_time(tmp_path: Path) -> None:
    with (
        pytest.raises(SetupError, match="startup_timeout_s"),
        running_server(settings("hangs", startup_timeout_s=1), tmp_path, tmp_path / "server.log"),
    ):
        pass
    assert family_of(f"serve {tmp_path}") == []


def test_another_model_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(SetupError, match="serves another, not 'tiny'"),
        running_server(settings("wrong-model"), tmp_path, tmp_path / "server.log"),
    ):
        pass


def test_a_missing_executable_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(SetupError, match="make setup"),
        running_server(settings(executable="/nowhere/vllm"), tmp_path, tmp_path / "server.log"),
    ):
        pass


def test_a_busy_port_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with (
            pytest.raises(SetupError, match=rf"port {port} .*process {os.getpid()}"),
            running_server(settings(port=port), tmp_path, tmp_path / "server.log"),
        ):
            pass


def test_attaches_to_a_running_server_and_leaves_it_alone(tmp_path: Path) -> None:
    with running_server(settings(), tmp_path, tmp_path / "server.log") as own:
        attached = settings(endpoints=own.endpoints)
        with running_server(attached, tmp_path, tmp_path / "none.log") as running:
            assert running.command == ()
            assert running.version == "0.12.0"
        assert not own.processes[0].dead


def test_the_key_reaches_the_server_and_not_itscommand_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(settings(), tmp_path, tmp_path / "server.log", api_key="s3cret") as running:
        assert "s3cret" not in " ".join(running.command)
        attached = settings(endpoints=running.endpoints)
        with (
            pytest.raises(SetupError, match="refuses the key"),
            running_server(attached, tmp_path, tmp_path / "none.log", api_key="wrong"),
        ):
            pass


@pytest.mark.parametrize(("fault", "passes"), [("", True), ("wrong-answer", False)])
@pytest.mark.parametrize("api", Api)
def test_golden_check(tmp_path: Path, api: Api, fault: str, passes: bool) -> None:
    golden = tmp_path / "golden.json"
    golden.write_text('{"sample": 0, "temperature": 0.0, "answer": "a boot"}')
    with running_server(settings(fault), tmp_path, tmp_path / "server.log") as running:
        if passes:
            check_golden(running.endpoints[0], golden, api, BODIES[api], None, timeout_s=5)
        else:
            with pytest.raises(SetupError, match="'nonsense' instead of 'a boot'"):
                check_golden(running.endpoints[0], golden, api, BODIES[api], None, timeout_s=5)


@pytest.mark.parametrize("api", Api)
def test_a_warm_up_sends_streamed_requests_as_they_are(tmp_path: Path, api: Api) -> None:
    streamed = BODIES[api][:-1] + b', "stream": true}'
    with running_server(settings(), tmp_path, tmp_path / "server.log") as running:
        warm_up(running.endpoints[0], api, [streamed], None, timeout_s=5)


@pytest.mark.parametrize("api", Api)
def test_a_server_that_answers_under_another_name_is_refused_before_the_run(api: Api) -> None:
    with Endpoint(lambda _: answer("x", api=api, model="first-name")) as endpoint:
        body = json.dumps(json.loads(BODIES[api]) | {"user": "sample 1"}).encode()
        with pytest.raises(SetupError, match="answers as the model 'first-name', asked for was 'tiny'"):
            warm_up(endpoint.url, api, [body], None, timeout_s=5)


@pytest.mark.parametrize("page", [b"[]", b"null", b"<html></html>", b"{}"])
def test_a_warm_up_that_gets_no_completion_is_one_sentence(page: bytes) -> None:
    body = json.dumps(json.loads(BODIES[Api.CHAT]) | {"user": "sample 1"}).encode()
    with (
        Endpoint(lambda _: [http(page)]) as endpoint,
        pytest.raises(SetupError, match=r"before the run|as the model None"),
    ):
        warm_up(endpoint.url, Api.CHAT, [body], None, timeout_s=5)


def test_a_known_request_without_an_answer_is_one_sentence(tmp_path: Path) -> None:
    golden = tmp_path / "golden.json"
    golden.write_text('{"sample": 1, "temperature": 0.0, "answer": "a boot"}')
    body = json.dumps(json.loads(BODIES[Api.CHAT]) | {"user": "sample 1"}).encode()
    with (
        Endpoint(lambda _: [http(b'{"model": "tiny", "choices": []}')]) as endpoint,
        pytest.raises(SetupError, match="None instead of 'a boot'"),
    ):
        check_golden(endpoint.url, golden, Api.CHAT, body, None, timeout_s=5)


def test_a_warm_up_against_nothing_is_an_error() -> None:
    with pytest.raises(SetupError, match="before the run"):
        warm_up("http://127.0.0.1:9", Api.CHAT, [BODIES[Api.CHAT]], None, timeout_s=1)


def test_too_few_accelerators_point_to_the_demo() -> None:
    with pytest.raises(SetupError, match=r"asks for 4096 GPUs.*profiles/demo"):
        check_accelerators(4096)


def test_every_error_has_an_exit_code(root: Path) -> None:
    with pytest.raises(WeighbridgeError) as caught:
        load_round("v0.0")
    assert caught.value.exit_code == 2
    assert "v6.0" in str(caught.value)
