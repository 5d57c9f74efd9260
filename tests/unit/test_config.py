"""The user's settings: the shipped ones load, paths start at the root, and reserved arguments are refused."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.round_settings import check_against_round, planned_scenarios
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import Settings, portable_settings
from weighbridge.core.errors import InputError
from weighbridge.core.plain_data import merged
from weighbridge.serving.arguments import check_arguments
from weighbridge.serving.installed_adapters import find_adapter


def shipped(root: Path, overlay: str | None = None) -> dict[str, dict[str, object]]:
    settings = yaml.safe_load((root / "config.yaml").read_text())
    if overlay:
        for key, value in yaml.safe_load((root / overlay).read_text()).items():
            settings[key] = settings.get(key, {}) | value if isinstance(value, dict) else value
    return settings


def test_the_shipped_settings_are_the_real_benchmark(root: Path) -> None:
    settings = portable_settings(shipped(root), root)
    assert settings.round == "v6.0"
    assert settings.artifacts.model.repo == "Qwen/Qwen3-VL-235B-A22B-Instruct"
    assert settings.server.executable == "vllm"


def test_relative_paths_start_at_the_root(root: Path) -> None:
    demo, context = shipped(root, "demo/config.yaml"), {"root": Path("/somewhere")}
    settings = Settings.parse(demo, "configuration", context)
    assert settings.artifacts.model.path == Path("/somewhere/demo/model")
    assert settings.server.executable == "/somewhere/.venv-server/bin/vllm"


@pytest.mark.parametrize(
    "overlays", [("demo/config.yaml", "demo/interactive.yaml"), ("rehearsal/endpoints.yaml",)]
)
def test_the_settings_of_a_demonstration_with_the_official_client_fit_its_round(
    root: Path, overlays: tuple[str, ...]
) -> None:
    data = yaml.safe_load((root / "config.yaml").read_text())
    for overlay in overlays:
        data = merged(data, yaml.safe_load((root / overlay).read_text()))
    settings = portable_settings(data, root)
    round_ = load_round(settings.round)
    check_against_round(settings, round_)
    assert set(planned_scenarios(settings, round_)) == {"offline", "interactive"}
    assert settings.artifacts.further_datasets.keys() == round_.further_datasets.keys()


@pytest.mark.parametrize("name", ["v6.0", "v6.1", "demo", "rehearsal", "rehearsal-v6.1"])
def test_every_shipped_round_loads(root: Path, name: str) -> None:
    round_ = load_round(name)
    assert round_.name == name
    assert round_.metrics["f1"].floor >= max(round_.metrics["f1"].readings.values())
    assert round_.held_to_rules == name.startswith("v")
    assert round_.submittable == (name == "v6.0")
    assert (root / "envs" / f"client-{round_.client}.yaml").is_file()


def server(*args: str, **values: object) -> ServerSettings:
    return ServerSettings.parse({"model_name": "m", "args": args} | values, "server")


def spelled(option: str, data: st.DataObject) -> str:
    # argparse accepts any beginning of an option's name, and vLLM takes underscores for dashes.
    length = data.draw(st.integers(2 if option[1] != "-" else 3, len(option)))
    spelling = option[:2] + option[2:length].replace("-", data.draw(st.sampled_from("-_")))
    return spelling + data.draw(st.sampled_from(["", "=1"]))


OPTIONS = [
    (name, option) for name in ("vllm", "sglang") for option in sorted(find_adapter(name).owned_options)
]


@given(owned=st.sampled_from(OPTIONS), data=st.data())
def test_no_spelling_of_an_owned_argument_passes(owned: tuple[str, str], data: st.DataObject) -> None:
    adapter, option = owned
    with pytest.raises(InputError, match="which is the tool's"):
        check_arguments(server(spelled(option, data), adapter=adapter), ())


@pytest.mark.parametrize("option", ["--api-key", "--hf-token"])
def test_the_refusal_of_a_key_does_not_repeat_it(option: str) -> None:
    with pytest.raises(InputError, match=option) as caught:
        check_arguments(server(f"{option}=sesame"), ())
    assert "sesame" not in str(caught.value)


FORBIDDING = [
    (name, feature, option)
    for name in ("vllm", "sglang")
    for feature, switch in find_adapter(name).switches.items()
    for option in switch.options
]


@given(switch=st.sampled_from(FORBIDDING), data=st.data())
def test_no_spelling_of_a_forbidden_features_option_passes(
    switch: tuple[str, ServerFeature, str], data: st.DataObject
) -> None:
    adapter, feature, option = switch
    with pytest.raises(InputError, match="which is the tool's"):
        check_arguments(server(spelled(option, data), adapter=adapter), (feature,))


@pytest.mark.parametrize(("adapter", "feature", "option"), FORBIDDING)
def test_features_that_no_round_forbids_can_be_enabled(
    adapter: str, feature: ServerFeature, option: str
) -> None:
    chosen = server(option, adapter=adapter)
    check_arguments(chosen, ())
    check_arguments(chosen, [other for other in ServerFeature if other is not feature])
    with pytest.raises(InputError, match=f"the round demands {feature} off"):
        check_arguments(chosen, ServerFeature)


def test_a_variable_that_switches_a_forbidden_feature_is_refused() -> None:
    chosen = ServerSettings.parse(
        {"model_name": "m", "adapter": "sglang", "env": {"SGLANG_VLM_CACHE_SIZE_MB": "100"}}, "server"
    )
    check_arguments(chosen, ())
    with pytest.raises(InputError, match=r"server\.env sets SGLANG_VLM_CACHE_SIZE_MB"):
        check_arguments(chosen, (ServerFeature.MEDIA_CACHE,))


def test_other_arguments_pass() -> None:
    args = (
        "--dtype=float32",
        "--max-num-seqs=64",
        "-O3",
        "--model-impl=auto",
        "--portion=1",
        "--mm-processor-kwargs={}",
    )
    chosen = server(*args)
    assert chosen.args == args
    check_arguments(chosen, ServerFeature)


def test_an_unknown_adapter_is_one_sentence_with_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        check_arguments(server(adapter="vlm"), ())
    assert str(caught.value) == (
        "server.adapter is 'vlm', and no such adapter is installed; the adapters here are: vllm, sglang."
    )


@pytest.mark.parametrize("wrong", ["model", "--dtype float32", ""])
def test_what_is_not_one_option_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="not one option"):
        server(wrong)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://node", "http://user:pass@node:1", ""])
def test_endpoints_are_urls_without_credentials(url: str) -> None:
    with pytest.raises(InputError, match="no http"):
        ServerSettings.parse({"model_name": "m", "endpoints": [url]}, "server")


def test_an_error_names_file_key_value_and_bound() -> None:
    with pytest.raises(InputError) as caught:
        ServerSettings.parse({"model_name": "m", "gpus": -1}, "config.yaml")
    assert str(caught.value) == "config.yaml: 'gpus' is -1: input should be greater than or equal to 0."


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"container": "docker://vllm/vllm-openai:v0.12.0"}, "a tag such as :v0.12.0 can be moved"),
        ({"container": "vllm.sif"}, "an image is docker://NAME@sha256:DIGEST"),
        ({"replicas": 2, "port": 8000}, "one 'port' cannot serve several 'replicas'"),
        ({"replicas": 2, "launcher": "srun"}, "one server per node"),
        ({"nodes_per_replica": 2}, "needs 'launcher: srun'"),
        ({"gpus": 8, "replicas": 4, "tensor_parallel_size": 4}, "need 16 GPUs, and 'gpus' is 8"),
    ],
)
def test_contradicting_server_settings_are_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        ServerSettings.parse({"model_name": "m"} | values, "server")
    assert sentence in str(caught.value)


def test_a_server_may_span_nodes() -> None:
    server = ServerSettings.parse(
        {
            "model_name": "m",
            "launcher": "srun",
            "gpus": 8,
            "tensor_parallel_size": 16,
            "nodes_per_replica": 2,
        },
        "server",
    )
    assert server.nodes_per_replica == 2
