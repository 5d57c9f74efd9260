"""The user's settings: the shipped ones load, paths start at the root, the tool keeps its arguments."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.settings import OWNED_SERVER_ARGUMENTS, ServerSettings, parse_settings
from weighbridge.core.errors import InputError


def shipped(root: Path, overlay: str | None = None) -> dict[str, dict[str, object]]:
    settings = yaml.safe_load((root / "config.yaml").read_text())
    if overlay:
        for key, value in yaml.safe_load((root / overlay).read_text()).items():
            settings[key] = settings[key] | value if isinstance(value, dict) else value
    return settings


def test_the_shipped_settings_are_the_real_benchmark(root: Path) -> None:
    settings = parse_settings(shipped(root), root)
    assert settings.round == "v6.0"
    assert settings.artifacts.model.repo == "Qwen/Qwen3-VL-235B-A22B-Instruct"
    assert settings.server.executable == "vllm"


def test_relative_paths_start_at_the_root(root: Path) -> None:
    settings = parse_settings(shipped(root, "demo/config.yaml"), Path("/somewhere"))
    assert settings.artifacts.model.path == Path("/somewhere/demo/model")
    assert settings.server.executable == "/somewhere/.venv-server/bin/vllm"


@pytest.mark.parametrize("name", ["v6.0", "v6.1", "demo", "rehearsal", "rehearsal-v6.1"])
def test_every_shipped_round_loads(root: Path, name: str) -> None:
    round_ = load_round(name)
    assert round_.name == name
    assert round_.metrics["f1"].floor >= max(round_.metrics["f1"].readings.values())
    assert round_.submittable == name.startswith("v")
    assert (root / "envs" / f"client-{round_.client}.yaml").is_file()


def server(*args: str) -> ServerSettings:
    return ServerSettings.parse({"model_name": "m", "args": args}, "server")


@given(owned=st.sampled_from(sorted(OWNED_SERVER_ARGUMENTS)), data=st.data())
def test_no_spelling_of_an_owned_argument_passes(owned: str, data: st.DataObject) -> None:
    # argparse accepts any beginning of an option's name, and vLLM takes underscores for dashes.
    length = data.draw(st.integers(3, len(owned)))
    spelling = owned[:2] + owned[2:length].replace("-", data.draw(st.sampled_from("-_")))
    with pytest.raises(InputError, match="which is the tool's"):
        server(spelling + data.draw(st.sampled_from(["", "=1"])))


def test_other_arguments_pass() -> None:
    args = ("--dtype=float32", "--max-num-seqs=64", "-O3", "--model-impl=auto", "--portion=1")
    assert server(*args).args == args


@pytest.mark.parametrize("wrong", ["model", "--dtype float32", ""])
def test_what_is_not_one_option_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="not one option"):
        server(wrong)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://node", "http://user:pass@node:1", ""])
def test_endpoints_are_urls_without_credentials(url: str) -> None:
    with pytest.raises(InputError, match="no http"):
        ServerSettings.parse({"model_name": "m", "endpoints": [url]}, "server")


def test_an_error_names_place_key_value_and_wish() -> None:
    with pytest.raises(InputError) as caught:
        ServerSettings.parse({"model_name": "m", "gpus": -1}, "config.yaml")
    assert str(caught.value) == "config.yaml: 'gpus' is -1: input should be greater than or equal to 0."


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"container": "docker://vllm/vllm-openai:v0.12.0"}, "a tag such as :v0.12.0 can be moved"),
        ({"container": "vllm.sif"}, "an image is docker://NAME@sha256:DIGEST"),
        ({"replicas": 2, "port": 8000}, "one 'port' cannot serve several 'replicas'"),
        ({"replicas": 2, "launcher": "srun"}, "one server a node"),
        ({"nodes_per_replica": 2}, "needs 'launcher: srun'"),
        ({"gpus": 8, "replicas": 4, "tensor_parallel_size": 4}, "need 16 GPUs, and 'gpus' is 8"),
        ({"args": ["-tp=4"]}, "set server.tensor_parallel_size"),
    ],
)
def test_servers_that_do_not_fit_together(values: dict[str, object], sentence: str) -> None:
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
