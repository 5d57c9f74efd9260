"""The adapter for SGLang: its arguments, metrics, and what it reports.

Names are those of SGLang 0.5 (python/sglang in github.com/sgl-project/sglang). Attaching to a server and
reading its metrics is tested against recorded answers; starting one has not been tried on a GPU.
"""

import re
from collections.abc import Mapping

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

title = "SGLang"
executable = "sglang"  # `sglang serve` and `sglang version`: cli/main.py
# srt/server_args.py has --api-key only, and a key on a command line is seen by every user of the machine.
api_key_variable: str | None = None
context_option = "--context-length"
setting_options: Mapping[str, str] = {
    "dtype": "--dtype",
    "max_model_len": context_option,
    "gpu_memory_utilization": "--mem-fraction-static",  # of weights and cache together, as vLLM's nearly is
}
system_packages: Mapping[str, str] = {"libnuma.so.1": "libnuma1"}
version_arguments: tuple[str, ...] = ("version",)

_SHARDING = "set server.tensor_parallel_size"
_SPANNING = "set server.nodes_per_replica"
# docs.sglang.io, advanced_features/server_arguments
owned_options: Mapping[str, str] = {
    "--host": "it serves on 127.0.0.1",
    "--port": "it takes a free port; set server.port for a fixed one",
    "--model-path": "set artifacts.model",
    "--model": "set artifacts.model",
    "--served-model-name": "set server.model_name",
    "--api-key": "start the server yourself and set server.endpoints",
    "--config": "write the options themselves into server.args",
    "--tensor-parallel-size": _SHARDING,
    "--tp-size": _SHARDING,
    "--tp": _SHARDING,
    "--nnodes": _SPANNING,
    "--node-rank": _SPANNING,
    "--dist-init-addr": _SPANNING,
    "--enable-metrics": "it is always on, for telemetry.parquet",
}
switches: Mapping[ServerFeature, FeatureSwitch] = {
    ServerFeature.PREFIX_CACHING: FeatureSwitch(
        arguments=("--disable-radix-cache",),
        # The last three hand keys and values over between servers, or keep them for the next request.
        options=(
            "--disable-radix-cache",
            "--enable-hierarchical-cache",
            "--hicache-storage-backend",
            "--enable-lmcache",
            "--lmcache-config-file",
            "--disaggregation-mode",
            "--disaggregation-decode-enable-radix-cache",
            "--disaggregation-decode-enable-offload-kvcache",
        ),
        variables=("LMCACHE_*",),
    ),
    # srt/environ.py: the cache of image embeddings, 100 MB by default, has no argument.
    ServerFeature.MEDIA_CACHE: FeatureSwitch(
        environment={"SGLANG_VLM_CACHE_SIZE_MB": "0"}, options=("--enable-prefix-mm-cache",)
    ),
}
# srt/server_args.py and srt/environ.py, read by hand: SGLang is in no environment of this project, so no test
# says what a later release adds.
task_options: Mapping[TaskPart, TaskOptions] = {
    TaskPart.SAMPLING: TaskOptions(options=("--sampling-defaults", "--preferred-sampling-params")),
    TaskPart.DECODING: TaskOptions(
        options=(
            "--speculative-algorithm",
            "--speculative-algo",
            "--speculative-draft-model-path",
            "--speculative-draft-model",
            "--enable-custom-logit-processor",
            "--grammar-backend",
            "--constrained-json-whitespace-pattern",
            "--constrained-json-disable-any-whitespace",
            "--reasoning-parser",
            "--tool-call-parser",
            "--tool-server",
        ),
        variables=("SGLANG_SIMULATE_ACC_LEN",),
    ),
    TaskPart.MEDIA: TaskOptions(
        options=("--mm-process-config", "--disable-fast-image-processor", "--image-processor-backend"),
        variables=(
            "SGLANG_IMAGE_MAX_PIXELS",
            "SGLANG_RESIZE_RESAMPLE",
            "SGLANG_EXTERNAL_MM_PROCESSOR_PACKAGE",
        ),
    ),
    TaskPart.PROMPT: TaskOptions(
        options=(
            "--chat-template",
            "--hf-chat-template-name",
            "--completion-template",
            "--default-chat-template-kwargs",
            "--tokenizer-path",
            "--tokenizer-mode",
            "--skip-tokenizer-init",
        )
    ),
    TaskPart.MODEL: TaskOptions(
        options=(
            "--json-model-override-args",
            "--revision",
            "--model-config-parser",
            "--is-embedding",
            "--load-format=dummy",
            "--load-format=remote",
            "--load-format=remote_instance",
            "--decrypted-config-file",
            "--custom-weight-loader",
            "--modelopt-checkpoint-restore-path",
            "--enable-double-sparsity",
            "--forward-hooks",
            "--enable-lora",
            "--lora-paths",
            "--language-only",
            "--encoder-only",
        ),
        variables=("SGLANG_EXTERNAL_MODEL_PACKAGE", "SGLANG_EXTERNAL_MM_MODEL_ARCH"),
    ),
}
quantising_options: tuple[str, ...] = (
    "--quantization",
    "--load-format=bitsandbytes",
    "--torchao-config",
    "--modelopt-quant",
    "--quantize-and-serve",
)
variable_prefixes: tuple[str, ...] = ("SGLANG_", "SGL_")
_RENDEZVOUS_PORT = 50000  # of the processes of a server over several nodes

# srt/metrics/collector.py. There is no counter of prefix-cache queries: it counts the tokens found there.
metric_names: Mapping[str, Metric] = {
    "sglang:num_running_reqs": Metric.REQUESTS_RUNNING,
    "sglang:num_queue_reqs": Metric.REQUESTS_WAITING,
    "sglang:token_usage": Metric.KV_CACHE_USAGE,
    "sglang:prompt_tokens_total": Metric.PROMPT_TOKENS,
    "sglang:generation_tokens_total": Metric.GENERATION_TOKENS,
    "sglang:cached_tokens_total": Metric.PREFIX_CACHE_HITS,
}
log_stages = LogStages(
    prefix=re.compile(r"^(\[[\d-]+ [\d:]+( \w+)*\]|INFO:|\s)*"),
    stages=tuple(
        (re.compile(beginning), stage)
        for beginning, stage in (
            (r"Load weight begin", "loading weights"),
            (r".*: +(\d+)% Completed \| (\d+)/(\d+) \[", r"loading weights: \2 of \3 (\1 %)"),
            (r"Load weight end", "loading weights: all read"),
            (r"KV Cache is allocated\. .*#tokens: (\d+)", r"making the KV cache: \1 tokens"),
            (r"Capture \w*\s*\w* ?graph begin", "capturing CUDA graphs"),
            (r"Capture \w*\s*\w* ?graph end", "capturing CUDA graphs: all captured"),
            (r"Started server process|Waiting for application startup", "starting the API server"),
            (r"The server is fired up", "the API server has started"),
        )
    ),
)

_REPORTED = re.compile(r"server_args=ServerArgs(?=\()")
_NOTHING = ("None", "False", "auto", "{}", "[]", "()", "")
# srt/server_args.py
_OTHER_DEFAULTS = {
    "--sampling-defaults": "model",
    "--grammar-backend": "xgrammar",
    "--disaggregation-mode": "null",
}


def version_of(output: str) -> str | None:
    """Return the version that `sglang version` printed."""
    found = re.search(r"^sglang version: (\S+)", output, re.MULTILINE)
    return found[1] if found else None


def command(start: ServerStart) -> tuple[str, ...]:
    """Return the command line of `sglang serve`."""
    sharding = start.settings.shards
    node = start.node
    return (
        start.executable,
        "serve",
        f"--model-path={start.model}",
        f"--served-model-name={start.settings.model_name}",
        f"--host={start.host}",
        f"--port={start.port}",
        "--enable-metrics",
        *start.switched_off,
        *((f"--tp-size={sharding}",) if sharding > 1 else ()),
        *start.settings.args,
        *(
            (
                f"--nnodes={node.nodes}",
                f"--node-rank={node.rank}",
                f"--dist-init-addr={node.head}:{_RENDEZVOUS_PORT}",
            )
            if node
            else ()
        ),
    )


def neutral_options() -> frozenset[str]:
    """Return none: SGLang's options were not all read."""
    return frozenset()


def reported_arguments(log_text: str) -> dict[str, str] | None:
    """Read `server_args=ServerArgs(...)` of srt/entrypoints/engine.py, less what is at its default.

    SGLang prints every argument. Defaults are None, False, "auto" and empty values; the others that matter
    to the task are listed here.
    """
    found = printed_arguments(log_text, _REPORTED)
    if found is None:
        return None
    defaults = {**_OTHER_DEFAULTS, "--tokenizer-path": found.get("--model-path")}
    if found.get("--speculative-algorithm", "None") == "None":
        # Without an algorithm the numbers of speculation have no effect.
        found = {name: value for name, value in found.items() if not name.startswith("--speculative-")}
    return {
        name: value for name, value in found.items() if value not in _NOTHING and value != defaults.get(name)
    }


def inspect(get: Get) -> ServerFacts | None:
    """Read version and prefix caching from /get_server_info, which later releases call /server_info."""
    for path in ("/get_server_info", "/server_info"):
        answer = json_answer(get, path)
        disabled = answer.get("disable_radix_cache")
        if isinstance(disabled, bool):
            return ServerFacts(version_in(answer), {ServerFeature.PREFIX_CACHING: not disabled})
    return None
