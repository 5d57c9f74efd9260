"""The adapter for vLLM: its arguments, metrics, and the stages of its start.

Names and wordings are those of vLLM 0.12, on GPUs and on CPUs.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from weighbridge.config.closed_rules import ServerFeature, TaskPart
from weighbridge.records.telemetry_record import Metric
from weighbridge.serving.adapter import (
    FeatureSwitch,
    Get,
    LogStages,
    ServerFacts,
    ServerStart,
    TaskOptions,
    json_answer,
    version_in,
)
from weighbridge.serving.printed_arguments import printed_arguments

title = "vLLM"
executable = "vllm"
api_key_variable: str | None = "VLLM_API_KEY"
context_option = "--max-model-len"
setting_options: Mapping[str, str] = {
    "dtype": "--dtype",
    "max_model_len": context_option,
    "gpu_memory_utilization": "--gpu-memory-utilization",
}
system_packages: Mapping[str, str] = {"libnuma.so.1": "libnuma1"}
version_arguments: tuple[str, ...] = ("--version",)

_SPANNING = "set server.nodes_per_replica"
owned_options: Mapping[str, str] = {
    "--host": "it serves on 127.0.0.1",
    "--port": "it takes a free port; set server.port for a fixed one",
    "--model": "set artifacts.model",
    "--served-model-name": "set server.model_name",
    "--api-key": "set client.api_key_env to the name of an environment variable",
    "--hf-token": "the model is a verified folder, and everyone on the machine can read a command line",
    "--config": "write the options themselves into server.args",
    "--tensor-parallel-size": "set server.tensor_parallel_size",
    "-tp": "set server.tensor_parallel_size",
    "--nnodes": _SPANNING,
    "-n": _SPANNING,
    "--node-rank": _SPANNING,
    "-r": _SPANNING,
    "--master-addr": _SPANNING,
    "--master-port": _SPANNING,
    "--headless": _SPANNING,
}
switches: Mapping[ServerFeature, FeatureSwitch] = {
    ServerFeature.PREFIX_CACHING: FeatureSwitch(
        arguments=("--no-enable-prefix-caching",),
        # A connector hands over what earlier requests left in another store, whatever the first option says:
        # get_computed_blocks and get_num_new_matched_tokens in v1/core/sched/scheduler.py.
        options=(
            "--enable-prefix-caching",
            "--no-enable-prefix-caching",
            "--kv-transfer-config",
            "--kv-offloading-size",
            "--kv-offloading-backend",
        ),
        variables=("LMCACHE_*",),
    ),
    ServerFeature.MEDIA_CACHE: FeatureSwitch(
        arguments=("--mm-processor-cache-gb=0",),
        options=("--mm-processor-cache-gb", "--ec-transfer-config"),
        # It wins over the option: create_model_config in engine/arg_utils.py.
        variables=("VLLM_MM_INPUT_CACHE_GIB",),
    ),
}
# vllm_options.yaml lists all other options and variables, which change speed and not the task.
task_options: Mapping[TaskPart, TaskOptions] = {
    TaskPart.SAMPLING: TaskOptions(options=("--generation-config", "--override-generation-config")),
    TaskPart.DECODING: TaskOptions(
        options=(
            "--speculative-config",
            "-sc",  # its short form after 0.12
            "--logits-processors",
            "--logits-processor-pattern",
            "--structured-outputs-config",
            # These cut an answer into parts, or load code that does.
            "--reasoning-parser",
            "--reasoning-parser-plugin",
            "--enable-auto-tool-choice",
            "--tool-call-parser",
            "--tool-parser-plugin",
            "--tool-server",
        ),
    ),
    TaskPart.MEDIA: TaskOptions(
        options=("--mm-processor-kwargs", "--media-io-kwargs", "--video-pruning-rate"),
        variables=("VLLM_MEDIA_CONNECTOR",),
    ),
    TaskPart.PROMPT: TaskOptions(
        options=(
            "--chat-template",
            "--chat-template-content-format",
            "--default-chat-template-kwargs",  # after 0.12
            "--trust-request-chat-template",
            "--interleave-mm-strings",
            "--tokenizer",
            "--tokenizer-mode",
            "--tokenizer-revision",
            "--skip-tokenizer-init",
            "--io-processor-plugin",
            "--middleware",  # code that may rewrite requests and answers
        ),
    ),
    TaskPart.MODEL: TaskOptions(
        options=(
            "--task",
            "--runner",
            "--convert",
            "--pooler-config",
            "--hf-config-path",
            "--hf-overrides",
            "--config-format",
            "--revision",
            "--code-revision",
            "--load-format=dummy",  # random weights
            "--load-format=tensorizer",  # weights from an address in --model-loader-extra-config
            "--disable-sliding-window",
            "--language-model-only",  # after 0.12, as the next two
            "--mm-encoder-only",
            "--weight-transfer-config",
            "--worker-extension-cls",  # code that updates weights
            "--enable-lora",
            "--lora-modules",
            "--default-mm-loras",
        ),
        variables=(
            "VLLM_MODEL_REDIRECT_PATH",
            "VLLM_TEST_FORCE_LOAD_FORMAT",
            "VLLM_MOE_ROUTING_SIMULATION_STRATEGY",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
            "VLLM_LORA_RESOLVER_CACHE_DIR",
            "VLLM_PLUGINS",  # code that registers models and processors
            "VLLM_SERVER_DEV_MODE",  # requests may change the engine
        ),
    ),
}
quantising_options: tuple[str, ...] = ("--quantization", "-q", "--load-format=bitsandbytes")
variable_prefixes: tuple[str, ...] = ("VLLM_",)

# vllm/v1/metrics/loggers.py; gpu_cache_usage_perc was the name before 0.11.
metric_names: Mapping[str, Metric] = {
    "vllm:num_requests_running": Metric.REQUESTS_RUNNING,
    "vllm:num_requests_waiting": Metric.REQUESTS_WAITING,
    "vllm:kv_cache_usage_perc": Metric.KV_CACHE_USAGE,
    "vllm:gpu_cache_usage_perc": Metric.KV_CACHE_USAGE,
    "vllm:num_preemptions_total": Metric.PREEMPTIONS,
    "vllm:prompt_tokens_total": Metric.PROMPT_TOKENS,
    "vllm:generation_tokens_total": Metric.GENERATION_TOKENS,
    "vllm:prefix_cache_queries_total": Metric.PREFIX_CACHE_QUERIES,
    "vllm:prefix_cache_hits_total": Metric.PREFIX_CACHE_HITS,
    "vllm:external_prefix_cache_hits_total": Metric.EXTERNAL_PREFIX_CACHE_HITS,
}

# How a message begins, and what it announces. Both tqdm's bars and ordinary lines are read.
_STAGES = (
    (r"vLLM API server version", "reading its settings"),
    (r"Resolved architecture:|Using max model len", "reading the model's configuration"),
    (r"Initializing a V1 LLM engine", "starting the engine"),
    (r"world_size=\d+ rank=|rank \d+ in world size", "connecting the engine's processes"),
    (r"Starting to load model", "loading weights"),
    (
        r"(?:Loading|Multi-thread loading) [^:|]*: +(\d+)% Completed \| (\d+)/(\d+) \[",
        r"loading weights: \2 of \3 (\1 %)",
    ),
    (r"Loading weights took|Model loading took", "loading weights: all read"),
    (r"Encoder cache will be initialized|torch\.compile takes", "profiling memory"),
    (
        r"Using cache directory: .* for vLLM's torch\.compile|vLLM's torch\.compile cache is disabled"
        r"|Dynamo bytecode transform|Cache the graph|Compiling a graph|Directly load the compiled graph",
        "compiling (torch.compile)",
    ),
    (r"Available KV cache memory: ([\d.]+ GiB)", r"making the KV cache: \1"),
    (r"GPU KV cache size: ([\d,]+) tokens", r"making the KV cache: \1 tokens"),
    (r"Warming up |Compile and warming up", "warming up kernels"),
    (
        r"Capturing CUDA graphs \(([\w -]+?), \w+\): .*?\| (\d+)/(\d+) ",
        r"capturing CUDA graphs, \1: \2 of \3",
    ),
    (r"Capturing CUDA graphs: .*?\| (\d+)/(\d+) ", r"capturing CUDA graphs: \1 of \2"),
    (r"Graph capturing finished", "capturing CUDA graphs: all captured"),
    (r"init engine ", "the engine is ready"),
    (
        r"Starting vLLM API server|Started server process|Waiting for application startup",
        "starting the API server",
    ),
    (r"Application startup complete", "the API server has started"),
)
log_stages = LogStages(
    # A worker's name, level, time and place stand before each message, and colours.
    prefix=re.compile(
        r"^(\x1b\[[\d;]*m|\(\w+ pid=\d+\)|(DEBUG|INFO|WARNING|ERROR)[: ]"
        r"|\d\d-\d\d \d\d:\d\d:\d\d|\[[\w.]+:\d+\]|\s)*"
    ),
    stages=tuple((re.compile(beginning), stage) for beginning, stage in _STAGES),
)

_REPORTED = re.compile(r"non-default args: (?=\{)")


def version_of(output: str) -> str | None:
    """Return the last line that `vllm --version` printed; warnings may stand before it."""
    lines = output.strip().splitlines()
    return lines[-1].strip() if lines else None


def command(start: ServerStart) -> tuple[str, ...]:
    """Return the command line of `vllm serve`."""
    sharding = start.settings.shards
    return (
        start.executable,
        "serve",
        str(start.model),
        f"--served-model-name={start.settings.model_name}",
        f"--host={start.host}",
        f"--port={start.port}",
        *start.switched_off,
        *((f"--tensor-parallel-size={sharding}",) if sharding > 1 else ()),
        *start.settings.args,
        *_spanning(start),
    )


def _spanning(start: ServerStart) -> tuple[str, ...]:
    """Return the arguments of one process of a server over several nodes, which needs no Ray since 0.12."""
    if start.node is None:
        return ()
    arguments = (
        f"--nnodes={start.node.nodes}",
        f"--node-rank={start.node.rank}",
        f"--master-addr={start.node.head}",
    )
    return (*arguments, "--headless") if start.node.rank else arguments


@cache
def neutral_options() -> frozenset[str]:
    """Return all other options, and the first argument under the name with which vLLM reports it."""
    listed = yaml.safe_load((Path(__file__).parent / "vllm_options.yaml").read_text(encoding="utf-8"))
    return frozenset((*listed["options"], "--model-tag"))


def reported_arguments(log_text: str) -> dict[str, str] | None:
    """Read `non-default args: {...}`, which vllm/entrypoints/utils.py prints at the start."""
    return printed_arguments(log_text, _REPORTED)


def inspect(get: Get) -> ServerFacts | None:
    """Read prefix caching from /metrics (`vllm:cache_config_info`) and the version from /version."""
    page = get("/metrics") or ""
    if not re.search(r"^vllm:", page, re.MULTILINE):
        return None
    caching = re.search(r'^vllm:cache_config_info\{.*enable_prefix_caching="(\w+)"', page, re.MULTILINE)
    features = {ServerFeature.PREFIX_CACHING: caching[1] == "True"} if caching else {}
    return ServerFacts(version_in(json_answer(get, "/version")), features)
