"""Server adapters: the command lines they write, what they read from a running server, how they are found."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.fingerprint import fingerprint
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.serving import installed_adapters as adapters
from weighbridge.serving import sglang, vllm
from weighbridge.serving.adapter import FeatureSwitch, Get, NodePlace, ServerAdapter, ServerFacts, ServerStart
from weighbridge.serving.arguments import context_length, spelled_out, switched_off
from weighbridge.serving.launch import plan, with_sharding

PAGE = Path(__file__).parent / "golden" / "vllm-0.12-metrics.txt"
OFF = {ServerFeature.PREFIX_CACHING: False}
# mypy checks here that the modules have all that an adapter must have.
BUILT_IN: tuple[ServerAdapter, ...] = (vllm, sglang)


def start(*args: str, node: NodePlace | None = None, off: tuple[str, ...] = (), gpus: int = 1) -> ServerStart:
    settings = ServerSettings.parse({"model_name": "m", "args": args, "tensor_parallel_size": gpus}, "test")
    return ServerStart(settings, "program", Path("/model"), "127.0.0.1", 8000, off, node)


def answers(pages: Mapping[str, object]) -> Get:
    return lambda path: page if isinstance(page := pages.get(path), str | None) else json.dumps(page)


@pytest.mark.parametrize("name", ["v6.0", "v6.1", "demo", "rehearsal", "rehearsal-v6.1"])
def test_the_command_of_every_shipped_round_is_that_of_the_first_release(name: str) -> None:
    off = switched_off(vllm, load_round(name).server_must_not)
    assert vllm.command(start("--dtype=float32", off=off, gpus=4)) == (
        *("program", "serve", "/model", "--served-model-name=m", "--host=127.0.0.1", "--port=8000"),
        *("--no-enable-prefix-caching", "--mm-processor-cache-gb=0"),
        *("--tensor-parallel-size=4", "--dtype=float32"),
    )


def test_what_a_round_does_not_forbid_stays_as_the_server_has_it() -> None:
    command = vllm.command(start("--enable-prefix-caching"))
    assert command[4:] == ("--host=127.0.0.1", "--port=8000", "--enable-prefix-caching")
    assert switched_off(vllm, (ServerFeature.MEDIA_CACHE,)) == ("--mm-processor-cache-gb=0",)


def test_processes_of_a_vllm_over_two_nodes() -> None:
    first, second = (vllm.command(start(node=NodePlace(rank, 2, "node1"))) for rank in (0, 1))
    assert first[-3:] == ("--nnodes=2", "--node-rank=0", "--master-addr=node1")
    assert second[-4:] == ("--nnodes=2", "--node-rank=1", "--master-addr=node1", "--headless")


def test_the_command_of_sglang() -> None:
    off = switched_off(sglang, tuple(ServerFeature))
    command = sglang.command(start("--dtype=float32", off=off, gpus=2, node=NodePlace(1, 2, "node1")))
    assert command == (
        *("program", "serve", "--model-path=/model", "--served-model-name=m", "--host=127.0.0.1"),
        *("--port=8000", "--enable-metrics", "--disable-radix-cache", "--tp-size=2", "--dtype=float32"),
        *("--nnodes=2", "--node-rank=1", "--dist-init-addr=node1:50000"),
    )


def test_a_started_sglang_gets_its_variable_and_no_key_on_its_command_line(tmp_path: Path) -> None:
    settings = ServerSettings.parse(
        {"model_name": "m", "adapter": "sglang", "executable": "/bin/true", "env": {"A": "b"}}, "test"
    )
    [launch] = plan(settings, tmp_path, tmp_path / "log", tuple(ServerFeature))
    assert launch.environment["SGLANG_VLM_CACHE_SIZE_MB"] == "0"
    assert launch.environment["A"] == "b"
    [launch] = plan(settings, tmp_path, tmp_path / "log", ())
    assert "SGLANG_VLM_CACHE_SIZE_MB" not in launch.environment
    with pytest.raises(SetupError, match="SGLang takes a key only on its command line"):
        plan(settings, tmp_path, tmp_path / "log", (), api_key="s3cret")


def test_versions_are_read_from_what_the_programs_print() -> None:
    assert vllm.version_of("WARNING: no GPU\n0.12.0\n") == "0.12.0"
    assert vllm.version_of("\n") is None
    assert sglang.version_of("sglang version: 0.5.6\ngit revision: 0123456\n") == "0.5.6"
    assert sglang.version_of("usage: sglang") is None


@pytest.mark.parametrize(
    ("pages", "facts"),
    [
        ({"/metrics": PAGE.read_text(), "/version": {"version": "0.12.0"}}, ServerFacts("0.12.0", OFF)),
        (
            {"/metrics": 'vllm:cache_config_info{enable_prefix_caching="False"} 1.0\n'},
            ServerFacts(None, OFF),
        ),
        (
            {"/metrics": '# a\nvllm:cache_config_info{a="b",enable_prefix_caching="True",c="d"} 1.0\n'},
            ServerFacts(None, {ServerFeature.PREFIX_CACHING: True}),
        ),
        ({"/metrics": "node_load1 3\n", "/version": {"version": "9"}}, None),
        ({}, None),
    ],
)
def test_what_vllm_reports(pages: dict[str, object], facts: ServerFacts | None) -> None:
    assert vllm.inspect(answers(pages)) == facts


@pytest.mark.parametrize("path", ["/get_server_info", "/server_info"])
def test_what_sglang_reports(path: str) -> None:
    # The parts that are read, of what srt/entrypoints/http_server.py answers.
    info = {"disable_radix_cache": True, "tp_size": 8, "internal_states": [], "version": "0.5.6"}
    assert sglang.inspect(answers({path: info})) == ServerFacts("0.5.6", OFF)
    on = sglang.inspect(answers({path: info | {"disable_radix_cache": False}}))
    assert on == ServerFacts("0.5.6", {ServerFeature.PREFIX_CACHING: True})
    for other in ("no json", [], {"version": "1"}, {"disable_radix_cache": "yes"}):
        assert sglang.inspect(answers({path: other})) is None


def test_stages_of_a_start_of_sglang(tmp_path: Path) -> None:
    lines = {
        "[2026-04-27 02:36:04] Load weight begin. avail mem=177.57 GB": "loading weights",
        "Multi-thread loading shards:  40% Completed | 2/5 [00:01<00:00,  3.08it/s]": "2 of 5 (40 %)",
        "[2026-02-26 16:41:05 TP1] Load weight end. elapsed=605.50 s, type=X": "all read",
        "[2026-03-11 13:53:23 TP0] KV Cache is allocated. #tokens: 383872, KV size: 1 GB": "383872 tokens",
        "[2026-03-11 13:53:32 TP0] Capture cuda graph begin. This can take a while": "capturing CUDA graphs",
        "[2026-03-11 13:53:32 TP0] Capture npu graph end. Time elapsed: 8.04 s.": "all captured",
        "[2026-03-11 13:53:33] The server is fired up and ready to roll!": "the API server has started",
    }
    for line, stage in lines.items():
        found = sglang.log_stages.stage(sglang.log_stages.message(line))
        assert found is not None
        assert stage in found
    assert sglang.log_stages.stage("Prefill batch, #new-seq: 1") is None


class Installed:
    """Stands for entry points of other packages."""

    def __init__(self, name: str, loaded: object) -> None:
        self.name, self.value, self._loaded = name, f"other.{name}", loaded

    def load(self) -> object:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


def test_other_packages_adapters_are_found_and_faulty_ones_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, partial = ImportError("no module named triton"), {"title": "X"}
    entries = [Installed("mine", vllm), Installed("broken", broken), Installed("partial", partial)]
    monkeypatch.setattr(adapters.importlib.metadata, "entry_points", lambda **_: entries)
    assert adapters.find_adapter("mine") is vllm
    with pytest.raises(SetupError, match=r"'broken' \(other\.broken\) cannot be loaded \(no module named"):
        adapters.find_adapter("broken")
    with pytest.raises(SetupError, match=r"'partial' lacks .*command.*inspect.*version_of"):
        adapters.find_adapter("partial")
    with pytest.raises(InputError, match=r"the adapters here are: vllm, sglang, broken, mine, partial\."):
        adapters.find_adapter("other")


def test_a_feature_that_an_adapter_cannot_switch_off_is_refused() -> None:
    class Lacking:
        title = "Other"
        switches: Mapping[ServerFeature, FeatureSwitch] = {}

    with pytest.raises(SetupError, match=r"forbids media-cache, which the adapter for Other cannot"):
        switched_off(Lacking(), (ServerFeature.MEDIA_CACHE,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("adapter", "argument", "tokens"),
    [
        (None, "--max-model-len=4096", 4096),
        ("vllm", "--max_model_len=4k", 4000),
        ("vllm", "--max-model-len=0.5K", 512),
        ("vllm", "--max-model-len=auto", None),
        ("vllm", "--context-length=4096", None),
        ("sglang", "--context-length=4096", 4096),
        ("sglang", "--dtype=float32", None),
    ],
)
def test_the_context_length_is_read_from_the_adapters_option(
    adapter: str | None, argument: str, tokens: int | None
) -> None:
    settings = ServerSettings.parse({"model_name": "m", "adapter": adapter, "args": [argument]}, "test")
    assert context_length(settings) == tokens


KEYS = {"dtype": "bfloat16", "max_model_len": 4096, "gpu_memory_utilization": 0.85}


def keyed(*args: str, adapter: str | None = None, **keys: object) -> ServerSettings:
    return ServerSettings.parse({"model_name": "m", "adapter": adapter, "args": args} | keys, "test")


@pytest.mark.parametrize(
    ("adapter", "options"),
    [
        (None, ("--dtype=bfloat16", "--max-model-len=4096", "--gpu-memory-utilization=0.85")),
        ("sglang", ("--dtype=bfloat16", "--context-length=4096", "--mem-fraction-static=0.85")),
    ],
)
def test_keys_are_another_spelling_of_arguments(adapter: str | None, options: tuple[str, ...]) -> None:
    spelled = spelled_out(keyed("--seed=1", adapter=adapter, **KEYS))
    assert spelled == keyed(*options, "--seed=1", adapter=adapter)
    assert spelled_out(spelled) is spelled
    assert context_length(spelled) == 4096
    assert fingerprint("program", server=spelled) == fingerprint(
        "program", server=keyed(*options, "--seed=1", adapter=adapter)
    )


@pytest.mark.parametrize(
    ("argument", "key", "adapter"),
    [
        ("--dtype=float16", "dtype", None),
        ("--max_model_len=8k", "max_model_len", None),
        ("--max-model=4096", "max_model_len", None),  # argparse takes a beginning
        ("--context-length=4096", "max_model_len", "sglang"),
        ("--gpu-memory-utilization=0.85", "gpu_memory_utilization", "vllm"),
    ],
)
def test_a_key_beside_its_own_argument_is_refused(argument: str, key: str, adapter: str | None) -> None:
    with pytest.raises(InputError, match=rf"server\.{key} is .*'{argument}'.*remove one of the two"):
        spelled_out(keyed(argument, adapter=adapter, **{key: KEYS[key]}))


def test_an_adapter_without_names_of_keys_has_its_context_option_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(sglang, "setting_options")
    assert spelled_out(keyed(adapter="sglang", max_model_len=8)).args == ("--context-length=8",)
    with pytest.raises(
        InputError, match=r"server\.dtype is bfloat16, but the adapter for SGLang has no option"
    ):
        spelled_out(keyed(adapter="sglang", dtype="bfloat16"))


@pytest.mark.parametrize(
    ("visible", "settings", "size"),
    [
        ("0,1,2,3,4,5,6,7", {}, 8),
        ("0,1,2,3,4,5,6,7", {"replicas": 2}, 4),
        ("0,1,2,3,4,5,6,7", {"gpus": 4}, 4),
        ("0,1,2,3", {"launcher": "srun", "nodes_per_replica": 2}, 8),
        ("", {}, 1),
        ("", {"replicas": 2}, 1),
    ],
)
def test_sharding_auto_takes_the_visible_gpus(
    monkeypatch: pytest.MonkeyPatch, visible: str, settings: dict[str, object], size: int
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = with_sharding(keyed(tensor_parallel_size="auto", **settings))
    assert found.shards == size
    assert with_sharding(found) is found


def test_a_server_starts_with_the_sharding_that_auto_is_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    chosen = with_sharding(keyed(executable="/bin/true", tensor_parallel_size="auto"))
    [launch] = plan(chosen, tmp_path, tmp_path / "log", ())
    assert "--tensor-parallel-size=2" in launch.command
