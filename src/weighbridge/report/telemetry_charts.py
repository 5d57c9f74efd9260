"""The charts of a run's telemetry: server queue, GPUs, processor cores; durations in seconds."""

from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.core.formatting import number
from weighbridge.records.telemetry_readings import Telemetry
from weighbridge.report.chart import Chart, ChartGap
from weighbridge.report.figures import system_figures
from weighbridge.report.telemetry_series import band, growth_of, series_of, total


def queue_chart(scenario: ScenarioRules, telemetry: Telemetry, duration_s: float) -> Chart | ChartGap:
    """Return the chart of running and waiting requests and of the KV cache."""
    running, waiting, usage = (
        series_of(telemetry, "server", metric).values()
        for metric in ("requests_running", "requests_waiting", "kv_cache_usage")
    )
    if not running and not waiting and not usage:
        sentence = "The server did not report its queue; use one that reports it at `/metrics`, as vLLM does."
        return ChartGap("server", scenario.folder, sentence)
    counters = _counter_sentence(telemetry, "preemptions", "Preemptions: {}.")
    counters += _counter_sentence(telemetry, "prefix_cache_hits", "Tokens found in the prefix cache: {}.")
    return Chart(
        group="server",
        key=f"{scenario.name}-queue",
        title=f"{scenario.folder}: running, waiting, KV cache",
        caption=f"Sum of all servers; for the KV cache, their mean and range.{counters}",
        draw=lambda: system_figures.queue(total(running), total(waiting), band(usage), duration_s),
    )


def _counter_sentence(telemetry: Telemetry, metric: str, sentence: str) -> str:
    counters = series_of(telemetry, "server", metric).values()
    return f" {sentence.format(number(growth_of(counters)))}" if counters else ""


def gpu_chart(scenario: ScenarioRules, telemetry: Telemetry, duration_s: float) -> Chart | ChartGap:
    """Return the chart of the GPUs' utilisation, power and memory."""
    title = f"{scenario.folder}: GPUs"
    utilisation, power, memory = (
        series_of(telemetry, "gpu", metric).values()
        for metric in ("utilisation", "power_w", "memory_used_bytes")
    )
    count = max(map(len, (utilisation, power, memory)))
    if not count:
        sentence = "No GPU was measured: the machine has none, or its driver has no NVML."
        return ChartGap("machines", title, sentence)
    return Chart(
        group="machines",
        key=f"{scenario.name}-gpus",
        title=title,
        caption=f"Mean and range of {count} GPUs; sum of their power.",
        draw=lambda: system_figures.gpus(band(utilisation), total(power), band(memory), duration_s),
    )


def core_chart(scenario: ScenarioRules, telemetry: Telemetry, duration_s: float) -> Chart | ChartGap:
    """Return the chart of the processor cores that server, client and machine use."""
    title = f"{scenario.folder}: processor cores in use"
    processes = series_of(telemetry, "process", "cpu_cores")
    groups = {
        "server": [series for source, series in processes.items() if source == "process server"],
        "client": [series for source, series in processes.items() if source != "process server"],
        "machine": list(series_of(telemetry, "host", "cpu_cores").values()),
    }
    used = {name: total(series) for name, series in groups.items() if series}
    if not used:
        return ChartGap("machines", title, "The processor use of no process was measured.")
    return Chart(
        group="machines",
        key=f"{scenario.name}-cores",
        title=title,
        caption="The client includes its workers and the process that issues the queries. If it needs most "
        "of the machine's cores, the result may show the client's limit instead of the server's.",
        draw=lambda: system_figures.cores(used, duration_s),
    )
