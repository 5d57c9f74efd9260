"""The arguments that a server prints into its log: read whatever their values are, without secrets."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.run.preflight import check
from weighbridge.serving import sglang, vllm
from weighbridge.serving.printed_arguments import union
from weighbridge.serving.server_report import check_logs, reported_by, reported_in

# What vLLM 0.12 printed on a real start, its file's name and numbers of processes changed.
PREFIX = "(APIServer pid=1) INFO 11-29 22:59:42 [utils.py:253] "
REAL = PREFIX + (
    "non-default args: {'api_key': [\"sec,ret'x\"], 'lora_modules': [LoRAModulePath(name='a', path='b', "
    "base_model_name=None)], 'chat_template': '/x y/z.jinja', 'model': 'm', 'hf_overrides': "
    "{'a': 'it\\'s \"q\"', 'hf_token': 'hf_abc'}, 'generation_config': 'vllm', "
    "'enable_prefix_caching': False, 'limit_mm_per_prompt': {'video': 0}, "
    "'mm_processor_kwargs': {'max_pixels': 1000}, "
    "'compilation_config': {'mode': None, 'custom_ops': ['all', '-rms_norm'], 'dynamic_shapes_config': "
    "{'type': <DynamicShapesType.BACKED: 'backed'>}}, 'structured_outputs_config': "
    "StructuredOutputsConfig(backend='xgrammar', reasoning_parser='')}"
)
# The same of SGLang 0.5, most of its several hundred arguments cut.
SGLANG = (
    "[2026-03-21 03:31:56] INFO engine.py:177: server_args=ServerArgs(model_path='/m', tokenizer_path='/m', "
    "tokenizer_mode='auto', load_format='auto', trust_remote_code=False, context_length=None, "
    "host='0.0.0.0', port=30000, json_model_override_args='{}', "
    "sampling_defaults='model', grammar_backend='xgrammar', "
    "speculative_algorithm=None, speculative_num_steps=3, api_key='s3cret', mm_process_config={}, "
    "chat_template='a, b', disable_radix_cache=True)"
)


def test_vllms_arguments_are_read_whatever_their_values() -> None:
    found = vllm.reported_arguments(f"{PREFIX}vLLM API server version 0.12.0\n{REAL}\n{PREFIX}more\n")
    assert found == {
        "--api-key": "***",
        "--lora-modules": "[LoRAModulePath(name='a', path='b', base_model_name=None)]",
        "--chat-template": "/x y/z.jinja",
        "--model": "m",
        "--hf-overrides": "{'a': 'it\\'s \"q\"', 'hf_token': '***'}",
        "--generation-config": "vllm",
        "--enable-prefix-caching": "False",
        "--limit-mm-per-prompt": "{'video': 0}",
        "--mm-processor-kwargs": "{'max_pixels': 1000}",
        "--compilation-config": "{'mode': None, 'custom_ops': ['all', '-rms_norm'], "
        "'dynamic_shapes_config': {'type': <DynamicShapesType.BACKED: 'backed'>}}",
        "--structured-outputs-config": "StructuredOutputsConfig(backend='xgrammar', reasoning_parser='')",
    }


def test_sglangs_arguments_are_those_that_are_not_at_their_defaults() -> None:
    assert sglang.reported_arguments(SGLANG) == {
        "--model-path": "/m",
        "--host": "0.0.0.0",
        "--port": "30000",
        "--api-key": "***",
        "--chat-template": "a, b",
        "--disable-radix-cache": "True",
    }
    drafting = SGLANG.replace("speculative_algorithm=None", "speculative_algorithm='EAGLE'")
    assert (sglang.reported_arguments(drafting) or {})["--speculative-algorithm"] == "EAGLE"
    other = SGLANG.replace("tokenizer_path='/m'", "tokenizer_path='/other'")
    assert (sglang.reported_arguments(other) or {})["--tokenizer-path"] == "/other"


@pytest.mark.parametrize("cut", [REAL[:-1], REAL[:200], "", "INFO: nothing of that kind"])
def test_a_log_without_a_whole_report_reports_nothing(cut: str) -> None:
    assert vllm.reported_arguments(f"{cut}\n{PREFIX}and so on}}\n") is None
    assert sglang.reported_arguments(f"{SGLANG[:-1]}\nand so on)\n") is None


def test_a_shortened_report_among_whole_ones_hides_nothing() -> None:
    assert vllm.reported_arguments(f"{REAL}\n{REAL[:300]}\n") is None


def test_a_server_with_defaults_only_reports_an_empty_list() -> None:
    assert vllm.reported_arguments("non-default args: {}\n") == {}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,11}", fullmatch=True).filter(
    lambda name: not any(part in name for part in ("key", "token", "secret", "password"))
)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_every_dictionary_that_python_prints_is_read(arguments: dict[str, object]) -> None:
    found = vllm.reported_arguments(f"{PREFIX}non-default args: {arguments}\n")
    wanted = {
        f"--{name.replace('_', '-')}": value if isinstance(value, str) else repr(value)
        for name, value in arguments.items()
    }
    assert found == wanted


@given(st.text(max_size=60))
def test_no_log_whatever_it_holds_raises(text: str) -> None:
    assert vllm.reported_arguments(text) is None
    found = vllm.reported_arguments("non-default args: {" + text)
    assert found is None or isinstance(found, dict)


def test_of_several_servers_every_value_is_kept_but_not_every_port() -> None:
    reports = [{"--port": "1", "--dtype": "auto"}, {"--port": "2", "--dtype": "half", "--revision": "x"}]
    assert union(reports) == {"--port": "1", "--dtype": "auto | half", "--revision": "default | x"}


def test_every_servers_log_must_have_its_report(tmp_path: Path) -> None:
    first, second, helper = (tmp_path / name for name in ("server-0.log", "server-1.log", "server-2.log"))
    first.write_text("non-default args: {'port': 1}")
    second.write_text("starting ...")
    helper.write_text("starting ...")
    assert reported_in(vllm, [first, second]) is None
    assert reported_in(vllm, [first], [helper]) == {"--port": "1"}
    assert reported_in(vllm, []) is None
    with pytest.raises(InputError, match=r"none\.log: a server's log cannot be read"):
        reported_in(vllm, [tmp_path / "none.log"])


def test_logs_of_servers_that_the_user_runs_are_read_and_the_key_is_masked(tmp_path: Path) -> None:
    log = tmp_path / "mine.log"
    log.write_text("non-default args: {'api_key': ['s3cret'], 'hf_overrides': {'x': 's3cret'}}")
    found = reported_by("vLLM", (), (log,), "s3cret")
    assert found == {"--api-key": "***", "--hf-overrides": "{'x': '***'}"}
    assert reported_by(None, (), (log,), None) is None
    assert reported_by("vLLM", (), (), None) is None


def test_logs_without_endpoints_or_too_few_are_refused() -> None:
    for endpoints in ([], ["http://a:1", "http://b:1"]):
        with pytest.raises(InputError, match="at least one each"):
            ServerSettings.parse({"model_name": "m", "endpoints": endpoints, "logs": ["a.log"]}, "test")


@pytest.mark.parametrize(
    "checked", [check_logs, lambda settings: check(load_round("demo"), settings, Path())]
)
def test_a_log_that_is_not_there_is_refused_before_anything_is_measured(
    checked: Callable[[ServerSettings], object], tmp_path: Path
) -> None:
    there = tmp_path / "a.log"
    there.write_text(REAL)
    settings = ServerSettings(
        model_name="m", endpoints=("http://node1:8000",), logs=(there, tmp_path / "missing.log")
    )
    with pytest.raises(InputError, match=r"missing\.log: .* correct server\.logs"):
        checked(settings)
    check_logs(settings.model_copy(update={"logs": (there,)}))
