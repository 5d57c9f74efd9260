"""Systems of a sweep as they are opened, asked for forced lengths, and made to forget."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simulating import any_length
from sweeping import MODEL

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.sweep_settings import ComparedSystem
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError, SetupError
from weighbridge.serving.command_server import filled_in
from weighbridge.serving.served_models import served_models
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.sweep import systems
from weighbridge.sweep.cache_reset import reset_caches
from weighbridge.sweep.length_probe import LengthAnswer, probe_length
from weighbridge.sweep.systems import opened


def attached(url: str, **changes: Any) -> ComparedSystem:
    return ComparedSystem(
        server=ServerSettings(model_name=MODEL, endpoints=(url,), endpoints_timeout_s=0.5), **changes
    )


def open_attached(system: ComparedSystem) -> Any:
    client = ClientSettings(request_timeout_s=10)
    return opened("A", system, client, None, Path("unused"), lambda _: None)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with any_length(Behaviour(prefix_cache=True), MODEL) as found:
        yield found


def workload(force_length: str = "ignore_eos", **changes: Any) -> Workload:
    return Workload.parse({"name": "w", "force_length": force_length} | changes, "test")


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_an_address_may_end_in_v1(url: str, suffix: str) -> None:
    with open_attached(attached(url + suffix)) as system:
        assert system.lost() is None
        assert probe_length(system, workload()).lengths is LengthAnswer.HONOURED
        assert reset_caches(system).startswith("by /reset_prefix_cache")
    assert served_models(url + suffix) == [MODEL]


@pytest.mark.parametrize(
    ("force", "api", "found"),
    [
        ("min_tokens", "chat", LengthAnswer.HONOURED),
        ("both", "completions", LengthAnswer.HONOURED),
        ("none", "chat", None),
    ],
)
def test_a_server_that_honours_lengths_is_seen_to(url: str, force: str, api: str, found: object) -> None:
    with open_attached(attached(url)) as system:
        probed = probe_length(system, workload(force, api=api))
    assert probed.lengths is found
    assert probed.prompt_tokens is not None
    assert 0 < probed.prompt_tokens < 20


@pytest.mark.parametrize("lengths", ["ignored", "rejected"])
def test_a_server_that_does_not_is_seen_too_and_keeps_its_caches(lengths: str) -> None:
    with (
        any_length(Behaviour.parse({"lengths": lengths, "resets": False}, "test"), MODEL) as url,
        open_attached(attached(url)) as system,
    ):
        assert probe_length(system, workload()).lengths == lengths
        assert reset_caches(system) == "not emptied: the server takes no request for it (404)"


def test_a_server_that_fails_every_request_is_named_with_what_it_says() -> None:
    with (
        any_length(Behaviour(failures={"status_500": 1.0}), MODEL) as url,
        open_attached(attached(url)) as system,
        pytest.raises(SetupError, match=r"system A: a first request failed \(HTTP 500"),
    ):
        probe_length(system, workload())


def test_a_command_that_empties_caches_and_fails_ends_the_sweep(url: str) -> None:
    def reset(*command: str) -> None:
        with open_attached(attached(url, reset_cmd=command)) as system:
            reset_caches(system)

    with pytest.raises(SetupError, match=r"'sh' ended with exit code 3 \(no disk\)"):
        reset("sh", "-c", "echo no disk >&2; exit 3")
    with pytest.raises(SetupError, match="cannot be run"):
        reset("/no/such/program")


def test_a_system_that_does_not_answer_is_named() -> None:
    silent = "http://127.0.0.1:9"
    with (
        pytest.raises(SetupError, match=rf"^system A: the server at {silent} did not answer"),
        open_attached(attached(silent)),
    ):
        pass
    assert served_models(silent) is None


def test_the_key_of_a_system_is_its_own(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_A", "a-secret-of-a")
    with open_attached(attached(url, api_key_env="KEY_OF_A")) as system:
        assert system.api_key == "a-secret-of-a"
        assert system.client.api_key_env == "KEY_OF_A"
        assert "a-secret-of-a" not in system.record().model_dump_json()


def test_a_server_of_ours_needs_a_model() -> None:
    managed = ComparedSystem(server=ServerSettings(model_name=MODEL))
    with pytest.raises(InputError, match="no model is given"), open_attached(managed):
        pass


@pytest.mark.parametrize(
    ("args", "env", "wanted_args", "wanted_env"),
    [
        ((), {}, ("--enable-prompt-tokens-details",), "1"),
        (("--no-enable-prompt-tokens-details",), {}, ("--no-enable-prompt-tokens-details",), "1"),
        ((), {"VLLM_SERVER_DEV_MODE": "0"}, ("--enable-prompt-tokens-details",), "0"),
    ],
)
def test_a_started_vllm_can_be_reset_and_reports_reuse_unless_it_shall_not(
    args: tuple[str, ...], env: dict[str, str], wanted_args: tuple[str, ...], wanted_env: str
) -> None:
    found = systems._measurable(ServerSettings(model_name=MODEL, args=args, env=env))
    assert found.args == wanted_args
    assert found.env["VLLM_SERVER_DEV_MODE"] == wanted_env


def test_a_started_server_of_another_kind_is_left_as_it_is() -> None:
    described = ServerSettings(model_name=MODEL, adapter="sglang")
    assert systems._measurable(described) == described


def test_words_of_a_command_are_filled_in() -> None:
    command = ("serve", "{model}", "--port={port}", '{"a": 1}')
    assert filled_in(command, 7, Path("/m")) == ("serve", "/m", "--port=7", '{"a": 1}')
    with pytest.raises(InputError, match="no model is given"):
        filled_in(command, 7, None)
