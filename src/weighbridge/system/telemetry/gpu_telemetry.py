"""Telemetry of NVIDIA's GPUs, from NVML. AMD's are left out: there was none to test with."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pynvml

from weighbridge.records.telemetry_record import Metric
from weighbridge.system.gpus import visible_accelerators
from weighbridge.system.telemetry.samples import AbsentError, MetricReading

# Not the power cap: at full load it is the normal state of a GPU that is run at its rated power.
_SLOWED = (
    pynvml.nvmlClocksThrottleReasonHwSlowdown
    | pynvml.nvmlClocksThrottleReasonSwThermalSlowdown
    | pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
    | pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown
)
_READ: dict[Metric, Callable[[Any], float]] = {
    Metric.UTILISATION: lambda gpu: pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
    Metric.MEMORY_USED_BYTES: lambda gpu: pynvml.nvmlDeviceGetMemoryInfo(gpu).used,
    Metric.POWER_W: lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    Metric.TEMPERATURE_C: lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    Metric.ECC_UNCORRECTED: lambda gpu: pynvml.nvmlDeviceGetTotalEccErrors(
        gpu, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC
    ),
    Metric.SM_CLOCK_MHZ: lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
    Metric.THROTTLED: lambda gpu: bool(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu) & _SLOWED),
}


class GpuSource:
    """The GPUs that this process may use; NVML stays open between readings."""

    name = "the GPUs"

    def __init__(self) -> None:
        self._gpus: dict[str, Any] = {}

    def read(self) -> Sequence[MetricReading]:
        """Read every metric of every GPU; one that a GPU does not report is left out.

        Raises:
            AbsentError: there are no GPUs.
            OSError: no GPU answers any more.
        """
        if not self._gpus:
            self._open()
        readings = []
        for name, gpu in self._gpus.items():
            for metric, value_of in _READ.items():
                with contextlib.suppress(pynvml.NVMLError):
                    readings.append(MetricReading(name, metric, float(value_of(gpu))))
        if not readings:
            raise OSError("NVML reports nothing")
        return readings

    def close(self) -> None:
        """Close NVML."""
        if self._gpus:
            self._gpus = {}
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _open(self) -> None:
        indices = [device.index for device in visible_accelerators()]
        if not indices:
            raise AbsentError
        pynvml.nvmlInit()
        self._gpus = {f"gpu {index}": pynvml.nvmlDeviceGetHandleByIndex(index) for index in indices}
