"""Telemetry: what servers, GPUs, processes and host did during a run, sampled once a second.

It only observes. Every source has its own thread and may fail or hang: the run neither fails nor waits.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from weighbridge.records.telemetry_record import Metric
from weighbridge.system.telemetry.gpu_telemetry import GpuSource
from weighbridge.system.telemetry.host_telemetry import HostSource
from weighbridge.system.telemetry.recorder import Recording, record_sources
from weighbridge.system.telemetry.server_telemetry import ServerSource

__all__ = ["Recording", "recording"]


def recording(
    endpoints: tuple[str, ...],
    api_key: str | None,
    server_pids: tuple[int, ...],
    path: Path,
    metric_names: Mapping[str, Metric],
) -> AbstractContextManager[Recording]:
    """Record for the duration of a with block, and write the file at its end, whatever ends it.

    Args:
        endpoints: Base URLs of the servers.
        api_key: Key to send them, if any.
        server_pids: The servers' own processes, where we started them.
        path: The Parquet file: time_ns (monotonic, as in requests.parquet), source, metric, value.
        metric_names: Names on the servers' /metrics pages, from the server's adapter.
    """
    servers = [ServerSource(number, url, api_key, metric_names) for number, url in enumerate(endpoints)]
    return record_sources([*servers, GpuSource(), HostSource(server_pids, endpoints)], path)
