"""What telemetry reads, and that reading can neither fail a run nor hold it up."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.records.telemetry_record import Metric
from weighbridge.serving import sglang, vllm
from weighbridge.system.telemetry import gpu_telemetry as gpus
from weighbridge.system.telemetry import host_telemetry as machine
from weighbridge.system.telemetry.gpu_telemetry import GpuSource
from weighbridge.system.telemetry.host_telemetry import HostSource
from weighbridge.system.telemetry.recorder import record_sources
from weighbridge.system.telemetry.samples import AbsentError, MetricReading, Samples, growth, join
from weighbridge.system.telemetry.server_telemetry import read_page

# Written by vLLM 0.12's own loggers for two engines.
PAGE = Path(__file__).parent / "golden" / "vllm-0.12-metrics.txt"
# Keeps a core busy until its parent is gone.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
IDLE = "import time; time.sleep(60)"
CPU = Metric.CPU_CORES


def test_vllms_page_is_read_and_its_engines_are_one_server() -> None:
    assert read_page(PAGE.read_text(), vllm.metric_names) == {
        Metric.REQUESTS_RUNNING: 100 + 101,
        Metric.REQUESTS_WAITING: 7 + 7,
        Metric.KV_CACHE_USAGE: (0.25 + 0.75) / 2,
        Metric.PREEMPTIONS: 2 + 2,
        Metric.PROMPT_TOKENS: 5000 + 5000,
        Metric.GENERATION_TOKENS: 1000 + 1000,
        Metric.PREFIX_CACHE_QUERIES: 5000 + 5000,
        Metric.PREFIX_CACHE_HITS: 16 + 32,
        Metric.EXTERNAL_PREFIX_CACHE_HITS: 0,
    }


def test_sglangs_page_is_read() -> None:
    page = (
        '# TYPE sglang:num_running_reqs gauge\nsglang:num_running_reqs{model_name="m"} 5.0\n'
        'sglang:num_queue_reqs{model_name="m"} 2.0\nsglang:token_usage{model_name="m"} 0.28\n'
        'sglang:prompt_tokens_total{model_name="m"} 8.128902e+06\n'
        'sglang:cached_tokens_total{cache_source="device",model_name="m"} 3.0\n'
        'sglang:cached_tokens_total{cache_source="host",model_name="m"} 4.0\n'
    )
    assert read_page(page, sglang.metric_names) == {
        Metric.REQUESTS_RUNNING: 5,
        Metric.REQUESTS_WAITING: 2,
        Metric.KV_CACHE_USAGE: 0.28,
        Metric.PROMPT_TOKENS: 8128902,
        Metric.PREFIX_CACHE_HITS: 7,
    }


def test_an_older_name_does_not_count_twice() -> None:
    page = "vllm:gpu_cache_usage_perc 0.5\nvllm:kv_cache_usage_perc 0.5\n"
    assert read_page(page, vllm.metric_names) == {Metric.KV_CACHE_USAGE: 0.5}


def test_other_pages_have_no_metrics() -> None:
    for page in ("", "<html>", "node_load1 3\n", "vllm:prompt_tokens_total_created 17\n", "vllm:prompt_tok"):
        assert read_page(page, vllm.metric_names) == {}
    assert read_page("vllm:kv_cache_usage_perc NaN\n", vllm.metric_names) == {}
    with pytest.raises(ValueError, match="many"):
        read_page("vllm:num_requests_running many\n", vllm.metric_names)


def _samples(*readings: MetricReading) -> Samples:
    samples = Samples()
    for time_ns, reading in enumerate(readings):
        samples.add(time_ns, [reading])
    return samples


def _hits(source: str, *values: float) -> Samples:
    return _samples(*(MetricReading(source, Metric.PREFIX_CACHE_HITS, value) for value in values))


def test_the_table_has_every_reading_in_the_order_of_time() -> None:
    table = join(
        [
            _hits("server 0", 1, 2),
            _hits("server 1", 3, 4),
            _samples(MetricReading("host", Metric.CPU_CORES, 5)),
        ]
    )
    assert table.schema.names == ["time_ns", "source", "metric", "value"]
    assert [str(kind).split("<")[0] for kind in table.schema.types] == [
        "int64",
        "dictionary",
        "dictionary",
        "double",
    ]
    rows = table.to_pylist()
    assert [row["time_ns"] for row in rows] == [0, 0, 0, 1, 1]
    assert {(row["source"], row["metric"], row["value"]) for row in rows} == {
        ("server 0", "prefix_cache_hits", 1),
        ("server 0", "prefix_cache_hits", 2),
        ("server 1", "prefix_cache_hits", 3),
        ("server 1", "prefix_cache_hits", 4),
        ("host", "cpu_cores", 5),
    }
    assert len(join([])) == 0


def test_growth_is_added_up_over_sources_and_restarts() -> None:
    table = join([_hits("server 0", 10, 10, 14), _hits("server 1", 5, 7, 1, 2)])
    assert growth(table, Metric.PREFIX_CACHE_HITS) == 4 + 2 + 1 + 1
    assert growth(table, Metric.ECC_UNCORRECTED) is None
    assert growth(join([_hits("server 0", 7)]), Metric.PREFIX_CACHE_HITS) == 0


@given(st.lists(st.integers(0, 1 << 40), min_size=1))
def test_a_counter_that_never_falls_grew_from_first_to_last(values: list[int]) -> None:
    values.sort()
    assert growth(join([_hits("gpu 0", *values)]), Metric.PREFIX_CACHE_HITS) == values[-1] - values[0]


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Two GPUs, of which the second tells no power; counts how often NVML was opened and closed."""
    calls: Counter[str] = Counter()
    reasons = [pynvml.nvmlClocksThrottleReasonHwThermalSlowdown | pynvml.nvmlClocksThrottleReasonSwPowerCap]

    def power_mw(index: int) -> int:
        if index == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return 512_500

    answers: dict[str, Callable[..., object]] = {
        "nvmlInit": lambda: calls.update(["open"]),
        "nvmlShutdown": lambda: calls.update(["close"]),
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=93, memory=40),
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=80 << 30, used=70 << 30),
        "nvmlDeviceGetPowerUsage": power_mw,
        "nvmlDeviceGetTemperature": lambda _, sensor: {pynvml.NVML_TEMPERATURE_GPU: 61}[sensor],
        "nvmlDeviceGetTotalEccErrors": lambda _, kind, counter: {
            (pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC): 2
        }[kind, counter],
        "nvmlDeviceGetClockInfo": lambda _, kind: {pynvml.NVML_CLOCK_SM: 1410}[kind],
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _: reasons[0],
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    monkeypatch.setattr(
        gpus, "visible_accelerators", lambda: [SimpleNamespace(index=index) for index in range(2)]
    )
    return calls


def test_gpus_tell_what_they_can(nvml: Counter[str]) -> None:
    source = GpuSource()
    told = {(name, metric): value for name, metric, value in source.read()}
    first = {
        Metric.UTILISATION: 0.93,
        Metric.MEMORY_USED_BYTES: 70 << 30,
        Metric.POWER_W: 512.5,
        Metric.TEMPERATURE_C: 61,
        Metric.ECC_UNCORRECTED: 2,
        Metric.SM_CLOCK_MHZ: 1410,
        Metric.THROTTLED: 1,
    }
    assert told == {("gpu 0", metric): value for metric, value in first.items()} | {
        ("gpu 1", metric): value for metric, value in first.items() if metric is not Metric.POWER_W
    }
    source.read()
    source.close()
    source.close()
    assert nvml == {"open": 1, "close": 1}


def test_a_power_cap_alone_is_no_throttling(nvml: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    reason = pynvml.nvmlClocksThrottleReasonSwPowerCap | pynvml.nvmlClocksThrottleReasonGpuIdle
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCurrentClocksThrottleReasons", lambda _: reason)
    throttled = [each.value for each in GpuSource().read() if each.metric is Metric.THROTTLED]
    assert throttled == [0, 0]


def test_gpus_that_are_lost_or_were_never_there(nvml: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    source = GpuSource()
    source.read()

    def lost(*_: object) -> object:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    for name in dir(pynvml):
        if name.startswith("nvmlDeviceGet"):
            monkeypatch.setattr(pynvml, name, lost)
    with pytest.raises(OSError, match="nothing"):
        source.read()
    monkeypatch.setattr(gpus, "visible_accelerators", lambda: ())
    with pytest.raises(AbsentError):
        GpuSource().read()


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python processes that end with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str, first: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", f"{first}\nprint(flush=True)\n{code}", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_processes_are_told_apart_and_a_server_is_its_whole_tree(
    started: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_SHORTEST_S", 0.0)
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BUSY!r}])"
    server = started(IDLE, first=child)
    worker = started(BUSY, "-m", "weighbridge.client.worker", '{"number":3,"store":"s"}')
    started(IDLE, "-m", "weighbridge.loadgen.loadgen_process", '{"model":"m"}')
    started(IDLE, "-m", "weighbridge.client.issuing_process", '{"store":"s"}')
    started(IDLE)  # nobody's
    source = HostSource((server.pid,))
    first = {(name, metric): value for name, metric, value in source.read()}
    most: dict[tuple[str, Metric], float] = {}
    deadline = time.monotonic() + 60
    while most.get(("process server", CPU), 0) < 0.1 or most.get(("process worker 3", CPU), 0) < 0.1:
        assert time.monotonic() < deadline, f"the busy processes are not seen as such: {most}"
        time.sleep(1)
        second = {(name, metric): value for name, metric, value in source.read()}
        most = {key: max(most.get(key, 0), value) for key, value in second.items()}
    processes = {"process server", "process worker 3", "process loadgen", "process issuer"}
    assert set(first) == {(name, Metric.RSS_BYTES) for name in processes} | {
        ("host", Metric.MEMORY_AVAILABLE_BYTES)
    }
    machine_wide = {
        ("host", metric) for metric in (Metric.LOGICAL_CPUS, Metric.STEAL_CORES, Metric.OTHER_CORES)
    }
    pressure = {("host", Metric.CPU_PRESSURE)} if Path("/proc/pressure/cpu").is_file() else set()
    assert (
        set(second) == set(first) | {(name, CPU) for name in processes | {"host"}} | machine_wide | pressure
    )
    assert min(value for (_, metric), value in second.items() if metric is Metric.RSS_BYTES) > 1 << 20
    assert second["process server", Metric.RSS_BYTES] > 1.5 * second["process loadgen", Metric.RSS_BYTES]
    assert most["process loadgen", CPU] < 0.1
    assert most["host", CPU] > 0.1
    worker.kill()
    worker.wait()
    left = processes - {"process worker 3"}
    assert {reading.source for reading in source.read()} == left | {"host"}


def test_cores_that_others_use_are_told_where_it_is_known_who_serves(
    started: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_SHORTEST_S", 0.0)
    started(BUSY)
    with socket.create_server(("127.0.0.1", 0)) as here:
        url = f"http://127.0.0.1:{here.getsockname()[1]}/v1"

        def read_twice(source: HostSource) -> dict[tuple[str, Metric], float]:
            source.read()
            time.sleep(0.5)
            return {(name, metric): value for name, metric, value in source.read()}

        ours = read_twice(HostSource((os.getpid(),), (url,)))
        host, others = ours["host", CPU], ours["host", Metric.OTHER_CORES]
        # What the server's tree used is not others'; both are counted in ticks of 10 ms.
        assert 0 <= others <= host
        assert others == pytest.approx(max(0.0, host - ours["process server", CPU]), abs=0.05)
        assert ("host", Metric.OTHER_CORES) not in read_twice(HostSource((), (url,)))
        any_address = url.replace("127.0.0.1", "0.0.0.0")
        assert ("host", Metric.OTHER_CORES) not in read_twice(HostSource((), (any_address,)))
    elsewhere = ("http://192.0.2.200:8000", "https://nowhere.invalid")
    assert ("host", Metric.OTHER_CORES) in read_twice(HostSource((), elsewhere))


class Scripted:
    """A source that does what a test tells it, reading by reading."""

    def __init__(self, name: str, read: Callable[[], Sequence[MetricReading]]) -> None:
        self.name, self.closed, self.readings = name, False, 0
        self._read = read

    def read(self) -> Sequence[MetricReading]:
        self.readings += 1
        return self._read()

    def close(self) -> None:
        self.closed = True


def _well() -> Sequence[MetricReading]:
    return [MetricReading("server 0", Metric.REQUESTS_RUNNING, 1)]


def test_a_source_that_fails_or_hangs_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    released = threading.Event()

    def fail() -> Sequence[MetricReading]:
        raise RuntimeError("no such thing")

    def absent() -> Sequence[MetricReading]:
        raise AbsentError

    def hang() -> Sequence[MetricReading]:
        released.wait(60)
        return _well()

    well, failing, missing, hanging = (
        Scripted("good", _well),
        Scripted("bad", fail),
        Scripted("none", absent),
        Scripted("deaf", hang),
    )
    path = tmp_path / "telemetry.parquet"
    with caplog.at_level(logging.INFO), record_sources([hanging, failing, missing, well], path) as result:
        time.sleep(2.5)
        ending_s = time.monotonic()
    assert time.monotonic() - ending_s < 20, "the end waited for a source that hangs"
    released.set()
    assert well.readings >= 3
    assert well.closed
    assert failing.readings == 2
    assert failing.closed
    assert missing.readings == hanging.readings == 1
    assert [record.getMessage() for record in caplog.records] == [
        "no telemetry of bad (no such thing); it is tried again from time to time, and the run goes on"
    ]
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == well.readings
    assert result.brief is not None
    assert (result.brief.samples, result.brief.sources) == (well.readings, ("server 0",))
    assert result.brief.prefix_cache_hits is None
    assert result.brief.external_prefix_cache_hits is None
    assert 0 < result.brief.cpu_s < 2
    times_ns = [row["time_ns"] for row in rows]
    assert times_ns == sorted(times_ns)


def test_the_file_is_there_whatever_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.parquet"
    with pytest.raises(KeyboardInterrupt), record_sources([Scripted("good", _well)], path):
        raise KeyboardInterrupt
    assert len(pq.read_table(path)) >= 1


def test_a_full_disk_loses_the_telemetry_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with record_sources([Scripted("good", _well)], tmp_path / "file" / "telemetry.parquet") as result:
        pass
    assert result.brief is None
    assert "there is no telemetry of this run" in caplog.text
