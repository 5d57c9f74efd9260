"""The clients that others ship as whole programs: vllm bench serve, mlcommons/endpoints, the reference's."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from endpoint import endpoint
from measure import CannotRunError, Figures, spent_by
from ours import ROOT
from peers import Bench, figures_of, with_true_ttft

from weighbridge.requests.store import RequestStore

_HARNESS = Path(__file__).parent / "reference_harness.py"
_AT_ONCE = 512
_LIMIT_S = 300
# One token a word: a tokenizer that costs nothing, since it is no part of what is compared.
_TOKENIZER: dict[str, Any] = {
    "version": "1.0",
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": None,
    "decoder": None,
    "truncation": None,
    "padding": None,
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
}


def _prompts(store: Path, requests: int, folder: Path) -> Path:
    """Write the text of as many requests as JSON lines; a picture becomes a part of it, of the same size."""
    bodies, path = RequestStore.open(store), folder / "prompts.jsonl"
    with path.open("w") as stream:
        for number in range(requests):
            content = json.loads(bytes(bodies.body(number % len(bodies))))["messages"][0]["content"]
            text = content[0]["text"] + content[1]["image_url"]["url"]
            stream.write(json.dumps({"prompt": text}) + "\n")
    return path


def tokenizer_of_words(folder: Path) -> Path:
    """Make a tokenizer in a folder below this one, to which a word is a token; return that folder."""
    found = folder / "tokenizer"
    found.mkdir()
    (found / "tokenizer.json").write_text(json.dumps(_TOKENIZER))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    (found / "tokenizer_config.json").write_text(json.dumps(settings))
    return found


def vllm_bench(
    bench: Bench, store: Path, requests: int, rate: float = 0.0, answers: Mapping[str, float] | None = None
) -> Figures:
    """Run `vllm bench serve`, which asks for streams; by default they have one token.

    Raises:
        CannotRunError: vLLM is not installed, or the run failed.
    """
    if version_of(bench.vllm, "vllm") is None:
        raise CannotRunError(f"{bench.vllm} has no vLLM (make bench-peers makes an environment for it)")
    with tempfile.TemporaryDirectory() as temporary, endpoint(**(answers or {"tokens": 1})) as server:
        folder = Path(temporary)
        command = [
            bench.vllm,
            "-m",
            "vllm.entrypoints.cli.main",
            "bench",
            "serve",
            "--backend",
            "openai-chat",
            "--model",
            "m",
        ]
        command += [
            "--endpoint",
            "/v1/chat/completions",
            "--base-url",
            server.url,
            "--dataset-name",
            "custom",
        ]
        command += ["--dataset-path", str(_prompts(store, requests, folder))]
        command += ["--tokenizer", str(tokenizer_of_words(folder)), "--skip-chat-template", "--disable-tqdm"]
        command += [
            "--num-prompts",
            str(requests),
            "--custom-output-len",
            "1",
            "--percentile-metrics",
            "ttft,e2el",
        ]
        command += ["--request-rate", str(rate)] if rate else ["--max-concurrency", str(_AT_ONCE)]
        spent = spent_by(command, limit_s=_LIMIT_S, env=plain_environment())
    failed = re.search(r"Failed requests: +([1-9]\d*)", spent.output)
    if failed:
        raise CannotRunError(f"{failed[1]} of its requests failed")
    start = spent.printed_ns("Starting main benchmark run")
    duration = re.search(r"Benchmark duration \(s\): +([\d.]+)", spent.output)
    if start is None or duration is None:
        raise CannotRunError("its output has another form than that of vLLM 0.12")
    end = start + int(float(duration[1]) * 1e9)
    # It sends one request first, as a test.
    found = figures_of(spent, server.rows, skip=1, start_ns=start, end_ns=end)
    for name, label in (("latency", "E2EL"), ("first_token", "TTFT")):
        for share, title in (("p50", "Median"), ("p99", "P99")):
            if value := re.search(rf"{title} {label} \(ms\): +([\d.]+)", spent.output):
                found[f"{name}_{share}_ms"] = float(value[1])
    return with_true_ttft(found, server.rows, skip=1)


def endpoints_client(
    bench: Bench, store: Path, requests: int, rate: float = 0.0, answers: Mapping[str, float] | None = None
) -> Figures:
    """Run the official endpoints client, unmodified.

    Raises:
        CannotRunError: it is not installed, or the run failed.
    """
    if bench.endpoints is None:
        raise CannotRunError(
            "give --endpoints PYTHON, an interpreter (3.12 or newer) that has it; PyPI has not"
        )
    program = Path(bench.endpoints).parent / "inference-endpoint"
    with tempfile.TemporaryDirectory() as temporary, endpoint(**(answers or {})) as server:
        folder = Path(temporary)
        command = [str(program), "benchmark", "online" if rate else "offline", "--endpoints", server.url]
        command += ["--model", "m", "--report-dir", str(folder / "report"), "--num-samples", str(requests)]
        command += ["--dataset", f"{_prompts(store, requests, folder)}"]
        command += ["--streaming", "on" if answers else "off", "--workers", "1"]
        command += ["--load-pattern", "poisson", "--target-qps", str(rate)] if rate else []
        spent = spent_by(command, limit_s=_LIMIT_S, env=plain_environment(), cwd=temporary)
        summary = json.loads((folder / "report" / "performance" / "result_summary.json").read_text())
    start = int(server.rows["arrived_ns"].min())
    found = figures_of(spent, server.rows, start_ns=start, end_ns=start + summary["duration_ns"])
    for name, key in (("latency", "latency"), ("first_token", "ttft")):
        if counted := summary[key]:
            found[f"{name}_p50_ms"] = counted["median"] / 1e6
            found[f"{name}_p99_ms"] = counted["percentiles"]["99.0"] / 1e6
    return with_true_ttft(found, server.rows)


def endpoints_name(bench: Bench) -> str:
    """Return what the official client is called in tables; it is made for Python 3.12 and newer."""
    if bench.endpoints is None:
        return "mlcommons/endpoints"
    ask = "import sys; print(*sys.version_info[:2], sep='.')"
    python = subprocess.run([bench.endpoints, "-c", ask], capture_output=True, text=True, check=False)
    return f"mlcommons/endpoints (Python {python.stdout.strip() or 'unknown'})"


def reference_harness(
    bench: Bench, store: Path, requests: int, rate: float = 0.0, answers: Mapping[str, float] | None = None
) -> Figures:
    """Run the reference implementation's own task with its LoadGen.

    Raises:
        CannotRunError: its checkout is not there, or the run failed.
    """
    if bench.reference is None:
        raise CannotRunError("give --reference DIR, a checkout of mlcommons/inference")
    if version_of(bench.reference_python, "pympler") is None:
        raise CannotRunError(f"{bench.reference_python} has not what it imports (make bench-peers does)")
    with tempfile.TemporaryDirectory() as folder, endpoint(**(answers or {})) as server:
        command = [
            bench.reference_python,
            str(_HARNESS),
            str(bench.reference),
            f"{server.url}/v1",
            str(store),
        ]
        command += [str(requests), str(rate), "stream" if answers else "whole", folder]
        environment = os.environ | {"PYTHONPATH": f"{ROOT}/src"}
        spent = spent_by(command, limit_s=_LIMIT_S, env=environment)
        summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
    told = json.loads(spent.output.splitlines()[-1])
    found = figures_of(spent, server.rows, start_ns=told["start_ns"], end_ns=told["end_ns"])
    for name, label in (("latency", "latency"), ("first_token", "first token latency")):
        for share, percent in (("p50", "50.00"), ("p99", "99.00")):
            if rate and (
                value := re.search(rf"^{percent} percentile {label} \(ns\) *: (\d+)", summary, re.M)
            ):
                found[f"{name}_{share}_ms"] = int(value[1]) / 1e6
    return with_true_ttft(found, server.rows)


def whole_programs(bench: Bench) -> dict[str, Callable[..., Figures]]:
    """Return the programs by their names in tables."""
    return {
        "vllm bench serve": vllm_bench,
        endpoints_name(bench): endpoints_client,
        "reference harness with LoadGen": reference_harness,
    }


def using_more_cores(bench: Bench) -> tuple[str, ...]:
    """Return those that are not at their end when they keep one core busy."""
    return "vllm bench serve", endpoints_name(bench)


def once_of(bench: Bench) -> tuple[str, ...]:
    """Return those that run once in a quick comparison: each spends 5 to 20 s on its start."""
    return tuple(whole_programs(bench)) if bench.quick else ()


def plain_environment() -> dict[str, str]:
    """Return the environment of a program that is not ours: without our modules, and without a network."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return environment | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def version_of(python: str, package: str) -> str | None:
    """Return the version of a package in another environment, None without it."""
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    try:
        done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
