"""A server's stage, read from its log while it grows."""

from pathlib import Path

import pytest

from weighbridge.serving import vllm
from weighbridge.serving.startup_progress import StartupLog, StartupProgress

# What a real start of vLLM 0.12 on CPUs wrote, its settings and routes cut.
CPU_LOG = Path(__file__).parent / "server_logs" / "vllm-0.12-cpu.log"
# As vLLM 0.12's sources word a start on GPUs; the bars are tqdm's.
GPU_LINES = [
    (
        "INFO 12-03 10:00:00 [gpu_model_runner.py:3467] Starting to load model /models/big...",
        "loading weights",
    ),
    (
        "\rLoading safetensors checkpoint shards:  25% Completed | 12/48 [01:10<03:30,  5.83s/it]",
        "loading weights: 12 of 48 (25 %)",
    ),
    (
        "\rMulti-thread loading shards:   2% Completed | 1/48 [00:10<07:50, 10.0s/it]",
        "loading weights: 1 of 48 (2 %)",
    ),
    ("INFO 12-03 10:05:00 [default_loader.py:308] Loading weights took 300.10 seconds", "all read"),
    (
        "INFO 12-03 10:05:01 [gpu_model_runner.py:3549] Model loading took 54.9 GiB memory and 301.2 seconds",
        "loading weights: all read",
    ),
    (
        "INFO 12-03 10:05:02 [gpu_model_runner.py:4306] Encoder cache will be initialized with a budget of "
        "16384 tokens, and profiled with 1 image items of the maximum feature size.",
        "profiling memory",
    ),
    (
        "INFO 12-03 10:05:09 [backends.py:655] Using cache directory: /x/y for vLLM's torch.compile",
        "compiling (torch.compile)",
    ),
    ("INFO 12-03 10:05:20 [backends.py:715] Dynamo bytecode transform time: 10.80 s", "compiling"),
    ("INFO 12-03 10:06:40 [backends.py:288] Compiling a graph for dynamic shape takes 70.10 s", "compiling"),
    ("INFO 12-03 10:06:44 [monitor.py:34] torch.compile takes 80.90 s in total", "profiling memory"),
    ("INFO 12-03 10:06:50 [gpu_worker.py:359] Available KV cache memory: 9.87 GiB", "the KV cache: 9.87 GiB"),
    ("INFO 12-03 10:06:51 [kv_cache_utils.py:1286] GPU KV cache size: 431,232 tokens", "431,232 tokens"),
    (
        "\rCapturing CUDA graphs (mixed prefill-decode, PIECEWISE):  21%|██    | 14/67 [00:03<00:11, 4it/s]",
        "capturing CUDA graphs, mixed prefill-decode: 14 of 67",
    ),
    (
        "\rCapturing CUDA graphs (decode, FULL): 100%|██████████| 35/35 [00:08<00:00,  4.2it/s]",
        "capturing CUDA graphs, decode: 35 of 35",
    ),
    (
        "INFO 12-03 10:07:10 [gpu_model_runner.py:4466] Graph capturing finished in 18 secs, took 1.20 GiB",
        "capturing CUDA graphs: all captured",
    ),
]


def stages(log: Path, data: bytes, step: int) -> list[str]:
    """Let the log grow by so many bytes at a time, and note each stage once."""
    reader, seen = StartupLog(log, vllm.log_stages), [""]
    for end in range(step, len(data) + step, step):
        log.write_bytes(data[:end])
        if (stage := reader.stage()) != seen[-1]:
            seen.append(stage)
    return seen


@pytest.mark.parametrize("step", [7, 100, 100_000])
def test_a_real_start_goes_through_its_stages(tmp_path: Path, step: int) -> None:
    seen = stages(tmp_path / "log", CPU_LOG.read_bytes(), step)
    assert seen[-1] == "the API server has started"
    if step == 7:
        assert (
            seen[-12:]
            == [
                "reading its settings",
                "reading the model's configuration",
                "starting the engine",
                "connecting the engine's processes",
                "loading weights",
                "loading weights: 0 of 1 (0 %)",
                "loading weights: 1 of 1 (100 %)",
                "loading weights: all read",
                "making the KV cache: 524,288 tokens",
                "warming up kernels",
                "the engine is ready",
                "starting the API server",
                "the API server has started",
            ][-12:]
        )
        # Before the first stage there are only lines of the imports.
        assert all("Triton" in early for early in seen[1:-13])


def test_a_start_on_gpus(tmp_path: Path) -> None:
    log = tmp_path / "log"
    reader = StartupLog(log, vllm.log_stages)
    with log.open("w") as stream:
        for line, stage in GPU_LINES:
            # A bar is left without an end of line until the next one comes.
            stream.write(f"\x1b[0;36m(Worker_TP0 pid=12)\x1b[0;0m {line}" if line[0] != "\r" else line)
            stream.write("" if line[0] == "\r" else "\n")
            stream.flush()
            assert reader.stage().endswith(stage) or stage in reader.stage()
            stream.write("\n" if line[0] == "\r" else "")


def test_what_only_names_a_stage_is_not_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "INFO 12-03 10:00:00 [core.py:93] Initializing a V1 LLM engine (v0.12.0) with config: torch.compile\n"
        "WARNING 12-03 10:00:01 [vllm.py:608] Inductor compilation was disabled, no Capturing CUDA graphs\n"
    )
    assert StartupLog(log, vllm.log_stages).stage() == "starting the engine"


def test_another_servers_last_line_is_shown_short(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\n" + "word " * 50 + "\n\nunfinis")
    stage = StartupLog(log, vllm.log_stages).stage()
    assert stage.startswith("word word")
    assert stage.endswith("word ...")
    assert len(stage) <= 100


def test_a_log_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert StartupLog(tmp_path / "none", vllm.log_stages).stage() == ""


def test_of_several_servers_the_first_that_is_late_is_told(tmp_path: Path) -> None:
    (tmp_path / "1.log").write_text("INFO 12-03 10:00:00 [x.py:1] Starting to load model x...\n")
    startup = StartupProgress(["a", "b"], {"a": tmp_path / "0.log", "b": tmp_path / "1.log"}, vllm.log_stages)
    assert startup.stage(["a", "b"]) == "0 of 2 ready; server 0: nothing logged yet"
    assert startup.stage(["b"]) == "1 of 2 ready; server 1: loading weights"
    elsewhere = StartupProgress(["http://elsewhere"], {}, vllm.log_stages)
    assert elsewhere.stage(["http://elsewhere"]) == "no answer from http://elsewhere"


def test_each_stage_of_a_start_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 2.0, 5.0, 9.0, 9.5]).__next__
    monkeypatch.setattr("weighbridge.serving.startup_progress.time.monotonic", now)
    log = tmp_path / "log"
    startup = StartupProgress(["a"], {"a": log}, vllm.log_stages)
    startup.stage(["a"])
    log.write_text("Starting to load model x...\n")
    startup.stage(["a"])
    log.write_text(log.read_text() + "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:01\n")
    startup.stage(["a"])
    startup.account("ready")
    assert startup.spent_s == {"starting": 5.0, "loading weights": 4.5}
